// A 32-bit kernel for boot loaders of both versions of multiboot, which its two headers are for.

    .section .multiboot, "a"

    .set    FLAGS, 7                    // modules on page borders, memory information, a video mode
    .balign 8
    .long   0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
    .skip   20                          // no addresses: they are ELF's
    .long   1, 80, 25, 0                // text

    .balign 8
header2:
    .long   0xe85250d6, 0, end2 - header2, -(0xe85250d6 + end2 - header2)
    .word   1, 0                        // information request: command line, module, memory map
    .long   20, 1, 3, 6
    .balign 8
    .word   5, 1                        // a framebuffer, if that can be had
    .long   20, 1024, 768, 32
    .balign 8
    .word   0, 0
    .long   8
end2:

    .text
    .globl _start
    .type _start, @function
_start:
    movl    $stack_top, %esp
    xorl    %ebp, %ebp
    pushl   %ebx
    pushl   %eax
    call    main
    movw    $0x2000, %ax                // ACPI PM1a_CNT: off
    movw    $0x604, %dx
    outw    %ax, %dx
    cli
    hlt
    .size _start, . - _start

    .bss
    .balign 16
    .skip   16 * 1024
stack_top:

    .section .note.GNU-stack, "", @progbits
