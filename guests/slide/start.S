// From the identity map to the slid one. The first 4 GiB are mapped to themselves, and this runs there.

#include "slide.h"

    .cfi_sections .debug_frame
    .section .text.first, "ax"
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    .cfi_undefined rip          // the outermost frame: backtraces end here
    cld
    leaq    tables(%rip), %rdi  // where they are in memory, too
    movq    %cr3, %rsi
    movq    (%rsi), %rax        // the identity map's first entry stays
    movq    %rax, (%rdi)
    leaq    0x1000 + 3(%rdi), %rax
    movq    %rax, 511 * 8(%rdi)             // the highest 512 GiB
    leaq    0x2000 + 3(%rdi), %rax
    movq    %rax, 0x1000 + 510 * 8(%rdi)    // the last gigabyte but one: kernel images
    movq    $LOADED + 0x83, 0x2000 + ((LOADED + SLIDE) >> 21) * 8(%rdi)    // one page of 2 MiB
    movq    %rdi, %cr3
    leaq    high(%rip), %rax
    movq    $0xffffffff80000000 + SLIDE, %rcx
    addq    %rcx, %rax
    jmp     *%rax
high:
    leaq    stack_top(%rip), %rsp
    xorl    %ebp, %ebp
    call    main
    call    power_off
    .cfi_endproc
    .size _start, . - _start

    .bss
    .balign 4096
tables:
    .skip   3 * 4096
stack:
    .skip   16 * 1024
stack_top:

    .section .note.GNU-stack, "", @progbits
