// Where other processors begin, with their number in x0 (PSCI), and where interrupts go.

    .text
    .globl other_start, vectors
other_start:
    mov     x29, xzr
    mov     x30, xzr
    adrp    x1, other_stacks
    add     x1, x1, :lo12:other_stacks
    add     x2, x0, #1
    add     x1, x1, x2, lsl #12
    mov     sp, x1
    bl      other_main

// Arm DDI 0487, "Exception vectors": sixteen entries of 0x80 bytes. Interrupts come to the sixth, at 0x280.
    .balign 0x800
vectors:
    .rept   5
    b       .
    .balign 0x80
    .endr
    b       on_irq
    .balign 0x80
    .rept   10
    b       .
    .balign 0x80
    .endr

// All that a C function may change, and where to go back to: another interrupt may come meanwhile.
    .globl on_irq
    .type on_irq, @function
on_irq:
    sub     sp, sp, #192
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x29, [sp, #144]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #160]
    str     x1, [sp, #176]
    bl      take_interrupt
    ldp     x30, x0, [sp, #160]
    ldr     x1, [sp, #176]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x18, x29, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp, #0]
    add     sp, sp, #192
    eret
    .size on_irq, . - on_irq

    .section .note.GNU-stack, "", @progbits
