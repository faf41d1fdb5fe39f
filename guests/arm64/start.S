// Where an arm64 guest begins: EL1, MMU off, on the boot processor; others come by PSCI.

    .cfi_sections .debug_frame
    .text
    .globl _start
    .type _start, %function
_start:
    .cfi_startproc
    .cfi_undefined x30          // the outermost frame: backtraces end here
    adrp    x0, stack_top
    add     x0, x0, :lo12:stack_top
    mov     sp, x0
    mov     x29, #0
    bl      main
    bl      power_off
    .cfi_endproc
    .size _start, . - _start

    .bss
    .balign 16
stack:
    .skip   16 * 1024
stack_top:

    .section .note.GNU-stack, "", @progbits
