// The ways between the two levels.

    .cfi_sections .debug_frame
    .text

// SYSCALL's entry: the number in RDI, the argument in RSI; the result goes back in RAX.
    .globl system_call_entry
    .type system_call_entry, @function
system_call_entry:
    movq    %rsp, user_stack(%rip)
    leaq    kernel_stack_top(%rip), %rsp
    pushq   %rcx
    pushq   %r11
    call    on_system_call
    popq    %r11
    popq    %rcx
    movq    user_stack(%rip), %rsp
    sysretq
    .size system_call_entry, . - system_call_entry

// enter_user(rip, rsp, code selector, stack selector)
    .globl enter_user
    .type enter_user, @function
enter_user:
    pushq   %rcx
    pushq   %rsi
    pushq   $2
    pushq   %rdx
    pushq   %rdi
    .globl enter_user_return
enter_user_return:
    iretq
    .size enter_user, . - enter_user

    .bss
    .balign 16
user_stack:
    .skip   8
    .balign 16
    .skip   16 * 1024
    .globl kernel_stack_top
kernel_stack_top:

    .section .user.data, "aw", @progbits
    .balign 16
    .skip   8 * 1024
    .globl user_stack_top
user_stack_top:

    .section .note.GNU-stack, "", @progbits
