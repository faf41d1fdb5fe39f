// A guest with an interrupt table of its own: its INT3, INT n and invalid instructions are its own business.

#include "../common/console.h"
#include "../common/idt.h"
#include "../common/types.h"

enum {
    BREAKPOINT = 3,
    INVALID_OPCODE = 6,
    CALL = 0x42,
};

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

static void report(const char *what, u64 count) {
    print(what);
    print_number(count);
    print("\n");
}

int main(void) {
    idt_handle(BREAKPOINT, on_breakpoint);
    idt_handle(CALL, on_call);
    idt_handle(INVALID_OPCODE, on_undefined);
    idt_load();

    for (int i = 0; i < rounds; i++) __asm__ volatile("int3");
    for (int i = 0; i < rounds + 2; i++) __asm__ volatile("int $0x42");
    for (int i = 0; i < rounds - 1; i++) __asm__ volatile("ud2");

    report("breakpoints ", breakpoints);
    report("calls ", calls);
    report("undefined ", undefined);
    return 0;
}
