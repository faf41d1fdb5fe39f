// Where a processor begins that CPU_ON starts: its stack is in x0.

    .text
    .globl secondary_start
    .type secondary_start, %function
secondary_start:
    mov     sp, x0
    mov     x29, #0
    mov     x30, #0
    b       secondary_main
    .size secondary_start, . - secondary_start

    .section .note.GNU-stack, "", @progbits
