// Real mode: segments, near and far calls, and a loop with its counter in memory. Loaded at 0x7c00 and entered at
// 0000:7c00; 512 bytes with the boot signature, so a PC boots it as a disk's first sector too.
//
// Debuggers unwind with 4-byte return addresses, real mode pushes 2 (near) or 2 + 2 (far); the macros below say in
// DWARF where the caller is, as a linear address, so `bt`, `up`, `next` and `finish` work. They hold while the
// function pushes nothing and SS is 0.

#define UART     0x3f8
#define POWER    0x604
#define FAR_SEG  0x1000                     // far_sum runs at 1000:0000, linear 0x10000 (see realmode.ld)

    .code16
    .cfi_sections .debug_frame

.macro function name
    .globl \name
    .type \name, @function
\name:
    .cfi_startproc
.endm

.macro end_function name
    .cfi_endproc
    .size \name, . - \name
.endm

// EIP of the caller = the word at SS:SP.
.macro near_frame
    .cfi_def_cfa_offset 2
    .cfi_escape 0x16, 8, 4, 0x74, 0, 0x94, 2
.endm

// EIP of the caller = (the word at SS:SP+2 << 4) + the word at SS:SP.
.macro far_frame
    .cfi_def_cfa_offset 4
    .cfi_escape 0x16, 8, 11, 0x74, 2, 0x94, 2, 0x34, 0x24, 0x74, 0, 0x94, 2, 0x22
.endm

    .text
function _start
    .cfi_undefined eip                      // the outermost frame: backtraces end here
    cli
    cld
    ljmp    $0, $1f                         // some firmware enters at 07c0:0000
1:  xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %ss
    movl    $0x7c00, %esp

    movw    $greeting, %si
    call    print

    movw    $FAR_SEG, %ax                   // copy the far routine to its segment
    movw    %ax, %es
    xorw    %di, %di
    movw    $far_load, %si
    movw    $far_size, %cx
    rep movsb

count:
    incw    counter
    call    square
    addw    %ax, sum
    cmpw    $10, counter
    jb      count

    lcall   $FAR_SEG, $0
    movw    $right, %si
    cmpw    %ax, sum
    je      1f
    movw    $wrong, %si
1:  call    print

    movw    $POWER, %dx
    movw    $0x2000, %ax                    // SLP_EN
    outw    %ax, %dx
1:  cli
    hlt
    jmp     1b
end_function _start

// Prints the text at DS:SI up to its zero. Changes AL, DX and SI.
function print
    near_frame
    movw    $UART, %dx
1:  lodsb
    testb   %al, %al
    jz      2f
    outb    %al, %dx
    jmp     1b
2:  ret
end_function print

// AX = counter squared.
function square
    near_frame
    movw    counter, %ax
    imulw   %ax, %ax
    ret
end_function square

    .section .far, "ax", @progbits
// AX = n(n+1)(2n+1)/6 for n = counter: the same sum, from another segment. Changes CX and DX.
function far_sum
    far_frame
    movw    counter, %ax
    movw    %ax, %cx
    incw    %cx
    mulw    %cx                             // n(n+1)
    addw    counter, %cx                    // 2n+1
    mulw    %cx
    movw    $6, %cx
    divw    %cx
    lret
end_function far_sum

    .data
greeting:
    .asciz  "hello from real mode\n"
right:
    .asciz  "the far routine agrees\n"
wrong:
    .asciz  "the far routine disagrees\n"

    .balign 2
.macro word name
    .globl \name
    .type \name, @object
    .size \name, 2
\name: .word 0
.endm
word counter
word sum

    .section .signature, "a", @progbits
    .word   0xaa55

    .section .note.GNU-stack, "", @progbits
