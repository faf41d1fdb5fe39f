// Everything that can be done wrong with a PC's interrupt controllers and survived, each thing in a function of its own:
// for `monitor irq warnings`, which names the kinds as the functions here are named. Says what comes before it does it.

#include "../common/console.h"
#include "../common/idt.h"
#include "../common/ports.h"
#include "../common/registers.h"
#include "../processors/apic.h"
#include "access.h"

enum {
    VECTOR_GENERAL_PROTECTION = 13,
    VECTOR_OF_AN_EXCEPTION = 31,
    VECTOR_HARMLESS = 0x45,
    VECTOR_STORM = 0x46,
    APIC_BASE = 0x1b,
    APIC_ENABLE = 1 << 11,
    X2APIC = 1 << 10,
    ENABLED = 0x1ff, // SVR
    DISABLED = 0x0ff,
    LEVEL = 0x8000,
    MASKED = 0x10000,
    UART_PIN = 4,
    STORM = 10000, // ends of interrupt that find the line still high, until the I/O APIC takes a rest
};

static volatile u64 faults, taken;
static volatile u32 storm;

// MARK: Means

static void uart_line(int high) {
    const u8 interrupt_enable = 1, transmitter_empty = 2, modem_control = 4, out2 = 8;
    out8(UART + modem_control, high ? out2 : 0);
    out8(UART + interrupt_enable, high ? transmitter_empty : 0);
}

static void route(u32 entry) {
    poke(IO_APIC, 0x11 + 2 * UART_PIN);
    poke(IO_APIC + 0x10, 0);
    poke(IO_APIC, 0x10 + 2 * UART_PIN);
    poke(IO_APIC + 0x10, entry);
}

static void set_up_pair(void) {
    const u8 start = 0x11, vectors = 0x50, mode = 1;
    out8(MASTER, start);
    out8(MASTER + 1, vectors);
    out8(MASTER + 1, 4);
    out8(MASTER + 1, mode);
    out8(SLAVE, start);
    out8(SLAVE + 1, vectors + 8);
    out8(SLAVE + 1, 2);
    out8(SLAVE + 1, mode);
    out8(MASTER + 1, 0xff);
    out8(SLAVE + 1, 0xff);
}

static void take_what_waits(void) {
    __asm__ volatile("sti");
    pause(3000);
    __asm__ volatile("cli");
}

// RDMSR and WRMSR are what faults here.
__attribute__((interrupt)) static void on_general_protection(struct frame *frame, u64 error) {
    (void)error;
    faults++;
    frame->rip += 2;
}

__attribute__((interrupt)) static void on_harmless(struct frame *frame) {
    (void)frame;
    taken++;
    apic_end_of_interrupt();
}

// MARK: The 8259 pair

static void pair_not_initialized(void) { port_out(MASTER + 1, 0xfe); }

static void pair_exception_vectors(void) {
    port_out(MASTER, 0x11);
    port_out(MASTER + 1, 0x08); // as a PC's firmware leaves it, for real mode
    set_up_pair();
}

static void pair_ended_without_interrupt(void) { port_out(MASTER, 0x20); }

static void two_ways(void) {
    const u32 external = 0x700;
    apic_write(APIC_LINT0, external);
    out8(MASTER + 1, (u8)~(1 << UART_PIN));
    route(VECTOR_HARMLESS);
    port_out(UART + 4, 8);
    port_out(UART + 1, 2); // raises the line
    uart_line(0);
    route(MASKED);
    out8(MASTER + 1, 0xff);
    apic_write(APIC_LINT0, external | MASKED);
    take_what_waits();
}

// MARK: The I/O APIC

static void odd_pin_access(void) { poke8(IO_APIC, 0); }

static void reserved_pin_register(void) {
    poke(IO_APIC, 0x50);
    peek(IO_APIC + 0x10);
}

static void line_ended_without_request(void) { poke(IO_APIC + 0x40, 0x99); }

// Ends the interrupt and leaves the line as it is.
__attribute__((interrupt)) static void never_lowered_handler(struct frame *frame) {
    (void)frame;
    poke(LOCAL_APIC + APIC_EOI, 0);
    if (++storm == STORM) uart_line(0);
}

static void never_lowered(void) {
    route(LEVEL | VECTOR_STORM);
    uart_line(1);
    __asm__ volatile("sti");
    while (storm < STORM) pause(1);
    __asm__ volatile("cli");
    route(MASKED);
}

// MARK: Messages

static void illegal_vector_sent(void) { poke(LOCAL_APIC + APIC_COMMAND, APIC_SELF | APIC_ASSERT | 5); }

static void illegal_vector_received(void) {
    route(0x0f);
    port_out(UART + 4, 8);
    port_out(UART + 1, 2); // raises the line
    uart_line(0);
    route(MASKED);
}

static void exception_vector(void) {
    poke(LOCAL_APIC + APIC_COMMAND, APIC_SELF | APIC_ASSERT | VECTOR_OF_AN_EXCEPTION);
    take_what_waits();
}

static void reserved_delivery_mode(void) {
    poke(LOCAL_APIC + APIC_COMMAND, APIC_SELF | APIC_ASSERT | 0x300 | VECTOR_HARMLESS);
}

static void nobody_addressed(void) {
    poke(LOCAL_APIC + APIC_COMMAND_HIGH, 0x0eu << 24);
    poke(LOCAL_APIC + APIC_COMMAND, APIC_ASSERT | VECTOR_HARMLESS);
}

static void nobody_enabled(void) {
    apic_write(APIC_SPURIOUS, DISABLED);
    poke(LOCAL_APIC + APIC_COMMAND, APIC_SELF | APIC_ASSERT | VECTOR_HARMLESS);
    apic_write(APIC_SPURIOUS, ENABLED);
}

// MARK: The local APIC

static void end_without_interrupt(void) { poke(LOCAL_APIC + APIC_EOI, 0); }

static void reserved_register(void) { peek(LOCAL_APIC + 0x40); }

static void read_only_register(void) { poke(LOCAL_APIC + 0x30, 0); }

static void odd_access(void) { poke8(LOCAL_APIC + APIC_TASK_PRIORITY, 0); }

static void disabled_page(void) {
    u64 base = read_msr(APIC_BASE);
    write_msr(APIC_BASE, base & ~(u64)APIC_ENABLE);
    peek(LOCAL_APIC + 0x30);
    write_msr(APIC_BASE, base);
    apic_enable(0xff);
}

static void not_x2apic(void) { msr_in(0x802); }

// There is no way back from x2APIC mode but through off.
static void reserved_bits(void) {
    u64 base = read_msr(APIC_BASE);
    write_msr(APIC_BASE, base | X2APIC);
    msr_out(0x808, 0x100);
    write_msr(APIC_BASE, base & ~(u64)APIC_ENABLE);
    write_msr(APIC_BASE, base);
    apic_enable(0xff);
}

static void illegal_base_change(void) {
    u64 base = read_msr(APIC_BASE);
    msr_out(APIC_BASE, (base & ~(u64)APIC_ENABLE) | X2APIC);
}

static void unmasked_while_off(void) {
    apic_write(APIC_SPURIOUS, DISABLED);
    poke(LOCAL_APIC + APIC_TIMER, VECTOR_HARMLESS);
    apic_write(APIC_SPURIOUS, ENABLED);
}

static void initial_count_ignored(void) {
    apic_write(APIC_TIMER, APIC_DEADLINE | MASKED | VECTOR_HARMLESS);
    poke(LOCAL_APIC + APIC_TIMER_INITIAL, 1000);
    apic_write(APIC_TIMER, MASKED);
}

static void deadline_ignored(void) { msr_out(0x6e0, 1); }

// MARK: All of it

static const struct {
    const char *what;
    void (*make)(void);
} mistakes[] = {
    {"8259 unmasked before it was set up", pair_not_initialized},
    {"8259 with the vectors of exceptions", pair_exception_vectors},
    {"EOI to an idle 8259", pair_ended_without_interrupt},
    {"an input open in the 8259 and in the I/O APIC", two_ways},
    {"one byte written to the I/O APIC", odd_pin_access},
    {"a register that the I/O APIC does not have", reserved_pin_register},
    {"EOI of a line that waits for none", line_ended_without_request},
    {"vector 5 sent", illegal_vector_sent},
    {"vector 15 received", illegal_vector_received},
    {"vector 31 sent and received", exception_vector},
    {"a reserved delivery mode", reserved_delivery_mode},
    {"an IPI to a processor that is not there", nobody_addressed},
    {"an IPI to a local APIC that is switched off", nobody_enabled},
    {"EOI with nothing in service", end_without_interrupt},
    {"a register that the local APIC does not have", reserved_register},
    {"a write to the version register", read_only_register},
    {"one byte written to the local APIC", odd_access},
    {"a look at the page of a disabled local APIC", disabled_page},
    {"an x2APIC register in xAPIC mode", not_x2apic},
    {"reserved bits in x2APIC mode", reserved_bits},
    {"an illegal IA32_APIC_BASE", illegal_base_change},
    {"a local vector unmasked while the local APIC is off", unmasked_while_off},
    {"an initial count in TSC-deadline mode", initial_count_ignored},
    {"a TSC deadline in one-shot mode", deadline_ignored},
    {"a line that no handler lowers", never_lowered},
};

int main(void) {
    const u64 count = sizeof mistakes / sizeof *mistakes;
    idt_handle(VECTOR_GENERAL_PROTECTION, (void *)on_general_protection);
    idt_handle(VECTOR_OF_AN_EXCEPTION, on_harmless);
    idt_handle(VECTOR_HARMLESS, on_harmless);
    idt_handle(VECTOR_STORM, never_lowered_handler);
    idt_load();
    apic_enable(0xff);
    apic_write(APIC_TASK_PRIORITY, 0);
    for (u64 i = 0; i < count; i++) {
        print(mistakes[i].what);
        print("\n");
        mistakes[i].make();
    }
    print("survived ");
    print_number(count);
    print(" mistakes and ");
    print_number(faults);
    print(" faults\n");
    return 0;
}

// The second processor has nothing to do here, but apic.c can start one.
void ap_main(int cpu) { (void)cpu; }
