// An endless loop of plain instructions for timing steps and breakpoints: 32-bit protected mode, multiboot 1.
// It never ends and prints nothing; kill it, or quit the debugger.

#define MAGIC 0x1badb002
#define FLAGS 0

    .section .multiboot, "a", @progbits
    .balign 4
    .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

    .text
    .globl _start, round, step_target
    .type _start, @function
_start:
    .cfi_sections .debug_frame
    .cfi_startproc
    .cfi_undefined eip                      // the outermost frame: backtraces end here
    movl    $stack_top, %esp
    xorl    %eax, %eax
    xorl    %ebx, %ebx
    xorl    %ecx, %ecx
round:
    incl    %eax
    addl    $3, %ebx
    call    step_target
    incl    rounds
    jmp     round
    .cfi_endproc
    .size _start, . - _start

    .type step_target, @function
step_target:
    .cfi_startproc
    incl    %ecx
    ret
    .cfi_endproc
    .size step_target, . - step_target

    .bss
    .balign 16
    .globl rounds
    .type rounds, @object
    .size rounds, 4
rounds:                                     // finished rounds; something to watch
    .skip   4
    .skip   4096 - 4
stack_top:

    .section .note.GNU-stack, "", @progbits
