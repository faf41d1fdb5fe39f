// What the machines with a GIC differ in: x86/ and arm64/ have each its own.
#pragma once
#include "../common/types.h"

#if defined(__x86_64__)
#define DISTRIBUTOR 0xfd000000ull
#define INTERFACE 0xfd010000ull
#elif defined(__aarch64__)
#define DISTRIBUTOR 0x08000000ull
#define INTERFACE 0x08010000ull
#endif

// Interrupt numbers that both have.
enum {
    TIMER = 27, // the virtual timer of each processor
    UART_LINE = 33,
};

enum { MAX_PROCESSORS = 8 };

// The first processor, before anything else.
void machine_start(void);
// Every processor: interrupts go to take_interrupt() from now on. They are off.
void machine_join(void);
// Starts processor `number`, which comes to other_main().
void machine_start_processor(int number);

void interrupts_on(void);
void interrupts_off(void);
// Sleeps until an interrupt waits, which is taken before this returns; called with interrupts off, returns so.
void sleep(void);
void relax(void);

// The calling processor's timer interrupts in `ticks` of its counter.
void timer_set(u32 ticks);
void timer_off(void);

// The console's transmitter asks by interrupt for the next character, beginning now.
void uart_start(char first);
// In its interrupt, with more to send or without.
void uart_next(char character);
void uart_stop(void);

// The program's own.
void other_main(int number);
void take_interrupt(void);
