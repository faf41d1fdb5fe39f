// An arm64 virtual machine with PSCI, a PL011 at 0x0900_0000 and the processor's own virtual timer.

#include "../machine.h"

enum {
    UART_DATA = 0x00,
    UART_FLAGS = 0x18,
    UART_CONTROL = 0x30,
    UART_MASK = 0x38,
    UART_CLEAR = 0x44,
    TRANSMIT = 0x20,      // of the last two
    TRANSMIT_FULL = 0x20, // of the flags
};

static volatile u32 *uart(u32 offset) { return (volatile u32 *)(0x09000000ull + offset); }

extern char vectors[], other_start[];
u8 other_stacks[MAX_PROCESSORS][4096] __attribute__((aligned(4096)));

// PSCI (Arm DEN 0022), by the hypervisor call.
static u64 firmware(u64 function, u64 a, u64 b, u64 c) {
    register u64 x0 __asm__("x0") = function;
    register u64 x1 __asm__("x1") = a;
    register u64 x2 __asm__("x2") = b;
    register u64 x3 __asm__("x3") = c;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return x0;
}

void machine_start(void) { *uart(UART_CONTROL) = 0x301; }

void machine_join(void) { __asm__ volatile("msr vbar_el1, %0; isb" : : "r"(vectors)); }

void machine_start_processor(int number) {
    const u64 cpu_on = 0xc4000003;
    firmware(cpu_on, (u64)number, (u64)other_start, (u64)number);
}

void interrupts_on(void) { __asm__ volatile("msr daifclr, #2" : : : "memory"); }
void interrupts_off(void) { __asm__ volatile("msr daifset, #2" : : : "memory"); }
void sleep(void) { __asm__ volatile("wfi; msr daifclr, #2; isb; msr daifset, #2" : : : "memory"); }
void relax(void) { __asm__ volatile("yield"); }

void timer_set(u32 ticks) {
    __asm__ volatile("msr cntv_tval_el0, %0" : : "r"((u64)ticks));
    __asm__ volatile("msr cntv_ctl_el0, %0; isb" : : "r"(1ull));
}
void timer_off(void) { __asm__ volatile("msr cntv_ctl_el0, %0; isb" : : "r"(0ull)); }

// The transmitter asks when a character has left it.
void uart_start(char first) {
    *uart(UART_CLEAR) = TRANSMIT;
    *uart(UART_MASK) = TRANSMIT;
    *uart(UART_DATA) = (u8)first;
}
void uart_next(char character) {
    *uart(UART_CLEAR) = TRANSMIT;
    *uart(UART_DATA) = (u8)character;
}
void uart_stop(void) { *uart(UART_MASK) = 0; }
