// What is counted.
#pragma once
#include "machine.h"

extern volatile u64 ticks[MAX_PROCESSORS], messages[MAX_PROCESSORS], broadcasts[MAX_PROCESSORS];
// Interrupts of the UART's line.
extern volatile u64 line_hits;
// Characters that the UART's interrupt has sent, of `unsent`.
extern volatile u64 sent;
extern const char *volatile unsent;
extern volatile u64 held;
// Timer interrupts to come.
extern volatile u64 ticks_wanted[MAX_PROCESSORS];
// A digit for each thing that happened, in order.
extern volatile u32 nesting;
// Interrupts that are taken and not ended.
extern volatile u32 never_ended;
// The handler that lets others interrupt it stays there.
extern volatile int stays;

// Who gets which number. SPIs that no device has are made pending by hand.
enum {
    MESSAGE = 1,
    BROADCAST = 2,
    HELD = 40,
    LOW = 41,
    MIDDLE = 42,
    HIGH = 43,
};

// Ticks of the timer's counter, at some 60 MHz.
enum { PERIOD = 20000 };
