// A guest with an interrupt table of its own: its INT3, INT n and invalid instructions are its own business.

#include "../common/console.h"
#include "../common/types.h"

// A gate of the interrupt table. Intel SDM volume 3, "64-bit mode IDT".
struct __attribute__((packed)) gate {
    u16 offset_low;
    u16 selector;
    u16 attributes;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};

struct __attribute__((packed)) table_pointer {
    u16 limit;
    u64 base;
};

// What the processor pushes for a handler.
struct frame {
    u64 rip, cs, rflags, rsp, ss;
};

enum {
    BREAKPOINT = 3,
    INVALID_OPCODE = 6,
    CALL = 0x42,
    PRESENT_INTERRUPT_GATE = 0x8e00,
};

static struct gate table[256];
volatile u64 breakpoints, calls, undefined;

// How far it counts them; changed by nobody but a debugger.
volatile int rounds = 3;

__attribute__((interrupt)) void on_breakpoint(struct frame *frame) {
    (void)frame;
    breakpoints++;
}

__attribute__((interrupt)) void on_call(struct frame *frame) {
    (void)frame;
    calls++;
}

// A fault: the instruction is run again, unless RIP is moved behind it.
__attribute__((interrupt)) void on_undefined(struct frame *frame) {
    const u64 length_of_ud2 = 2;
    undefined++;
    frame->rip += length_of_ud2;
}

static void handle(int vector, void (*handler)(struct frame *)) {
    u64 address = (u64)handler;
    u16 code;
    __asm__("mov %%cs, %0" : "=r"(code));
    table[vector] = (struct gate){
        .offset_low = (u16)address,
        .selector = code,
        .attributes = PRESENT_INTERRUPT_GATE,
        .offset_middle = (u16)(address >> 16),
        .offset_high = (u32)(address >> 32),
    };
}

static void report(const char *what, u64 count) {
    print(what);
    print_number(count);
    print("\n");
}

int main(void) {
    handle(BREAKPOINT, on_breakpoint);
    handle(CALL, on_call);
    handle(INVALID_OPCODE, on_undefined);
    const struct table_pointer pointer = {.limit = sizeof table - 1, .base = (u64)table};
    __asm__ volatile("lidt %0" : : "m"(pointer));

    for (int i = 0; i < rounds; i++) __asm__ volatile("int3");
    for (int i = 0; i < rounds + 2; i++) __asm__ volatile("int $0x42");
    for (int i = 0; i < rounds - 1; i++) __asm__ volatile("ud2");

    report("breakpoints ", breakpoints);
    report("calls ", calls);
    report("undefined ", undefined);
    return 0;
}
