// What the kernel and its user program know of each other.
#pragma once
#include "../common/types.h"

// Code and data of user mode: the linker script gives them pages of their own.
#define USER_CODE __attribute__((section(".user.text"), noinline))
#define USER_DATA __attribute__((section(".user.data")))

enum system_call {
    ADD_UP, // returns the sum of all its second arguments so far
    FORGET, // takes the lazy page away again
    LEAVE,
};

enum { LAZY_PAGE = 0x1f0000 };

u64 system_call(u64 number, u64 argument);
void user_main(void);

// Only the debugger changes these: rounds to go, and what else to do in each.
extern volatile int rounds, divides_wanted, touches_wanted, traps_wanted;
