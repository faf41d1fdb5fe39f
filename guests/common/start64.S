// Where a 64-bit guest begins: long mode, flat segments, the first 4 GiB mapped to themselves.

    .cfi_sections .debug_frame
    .text
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    .cfi_undefined rip          // the outermost frame: backtraces end here
    cld
    leaq    stack_top(%rip), %rsp
    xorl    %ebp, %ebp
    call    main
    call    power_off
    .cfi_endproc
    .size _start, . - _start

    .bss
    .balign 16
stack:
    .skip   16 * 1024
stack_top:

    .section .note.GNU-stack, "", @progbits
