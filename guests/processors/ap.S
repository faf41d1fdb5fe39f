// An application processor's way from real mode to ap_main(): straight into long mode, on the boot processor's page
// tables (which must lie below 4 GiB) and a GDT of its own. Intel SDM volume 3, "Initializing IA-32e mode".

#include "trampoline.h"

#define CODE64 0x08
#define DATA   0x10

    .data
    .globl trampoline, trampoline_end, trampoline_cr3, trampoline_efer
    .code16
trampoline:                                 // copied to TRAMPOLINE: entered with CS = TRAMPOLINE >> 4, IP = 0
    cli
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   gdt_pointer - trampoline
    movl    %cr4, %eax
    orl     $0x20, %eax                     // PAE
    movl    %eax, %cr4
    movl    trampoline_cr3 - trampoline, %eax
    movl    %eax, %cr3
    movl    trampoline_efer - trampoline, %eax
    orl     $0x100, %eax                    // LME
    xorl    %edx, %edx
    movl    $0xc0000080, %ecx
    wrmsr
    movl    %cr0, %eax
    andl    $0x9fffffff, %eax               // caches on: CD and NW are set at reset
    orl     $0x80000001, %eax               // PG and PE
    movl    %eax, %cr0
    ljmpl   $CODE64, $ap_start

    .balign 8
gdt:
    .quad   0
    .quad   0x00af9b000000ffff              // code, 64-bit
    .quad   0x00cf93000000ffff              // data
gdt_end:
gdt_pointer:
    .word   gdt_end - gdt - 1
    .long   TRAMPOLINE + gdt - trampoline
    .balign 4
trampoline_cr3:
    .long   0
trampoline_efer:
    .long   0
trampoline_end:

    .cfi_sections .debug_frame
    .text
    .code64
    .globl ap_start
    .type ap_start, @function
ap_start:
    .cfi_startproc
    .cfi_undefined rip                      // the outermost frame: backtraces end here
    movl    $DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    $1, %edi
    lock xaddl %edi, arrived(%rip)          // EDI: this processor's number
    cmpl    max_cpus(%rip), %edi
    jae     1f
    leal    1(%rdi), %eax
    shll    $12, %eax
    leaq    ap_stacks(%rip), %rsp
    addq    %rax, %rsp
    xorl    %ebp, %ebp
    call    ap_main
1:  cli
    hlt
    jmp     1b
    .cfi_endproc
    .size ap_start, . - ap_start

    .section .note.GNU-stack, "", @progbits
