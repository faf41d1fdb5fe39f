// The user program: arithmetic, and whatever a user program may do to get into the kernel.

#include "kernel.h"

USER_DATA volatile int rounds = 3;
USER_DATA volatile int divides_wanted, touches_wanted, traps_wanted;
USER_DATA volatile u64 total;
USER_DATA volatile u64 flags_seen;
USER_DATA volatile u64 touched;

// Nothing but arithmetic: a step is a step.
USER_CODE u64 mix(u64 a, u64 b) {
    u64 sum = a + b;
    sum = sum * 3;
    sum = sum ^ b;
    return sum;
}

USER_CODE u64 system_call(u64 number, u64 argument) {
    u64 result;
    __asm__ volatile("syscall" : "=a"(result) : "D"(number), "S"(argument) : "rcx", "r11", "memory");
    return result;
}

USER_CODE void software_interrupt(void) { __asm__ volatile("int $0x80" : : : "memory"); }

USER_CODE void trap(void) { __asm__ volatile("int3" : : : "memory"); }

// PUSHF stores the flags; a debugger's trap flag is none of them.
USER_CODE u64 look_at_flags(void) {
    u64 flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return flags;
}

USER_CODE u64 divide(u32 by) {
    u32 quotient;
    __asm__ volatile("divl %1" : "=a"(quotient) : "c"(by), "a"(100), "d"(0) : "memory");
    return quotient;
}

USER_CODE u64 touch(void) { return *(volatile u64 *)LAZY_PAGE; }

USER_CODE void user_main(void) {
    for (int i = 0; i < rounds; i++) {
        total = mix(total, (u64)i);
        system_call(ADD_UP, (u64)i);
        software_interrupt();
        flags_seen |= look_at_flags();
        if (divides_wanted) divide(0);
        if (touches_wanted) {
            touched += touch();
            system_call(FORGET, 0);
        }
        if (traps_wanted) trap();
    }
    system_call(LEAVE, 0);
}
