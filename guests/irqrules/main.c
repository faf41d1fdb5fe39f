// Rules of interrupts, timers and model-specific registers that a guest can check by itself. Each line of output is one
// rule, "ok" or "FAIL" with what came; a debugger may call out the functions that say so.

#include "../checks/check.h"
#include "../common/console.h"
#include "../common/idt.h"
#include "../common/ports.h"
#include "../common/power.h"
#include "../common/registers.h"
#include "../processors/apic.h"
#include "../processors/processors.h"

enum {
    VECTOR_NMI = 2,
    VECTOR_FAULT = 13,
    VECTOR_CLOCK = 0x28, // input 0 of the second 8259
    VECTOR_SELF = 0x61,
    APIC_PROCESSOR_PRIORITY = 0x0a0,
    APIC_BASE = 0x1b,
    APIC_ENABLED = 1 << 11,
    CLOCK_PIN = 8,
    DELIVER_NMI = 0x400,
    MASKED = 0x10000,
};

volatile u64 nmis, clocks, selves, faults;
volatile int send_init; // `set var send_init = 1` before main
static volatile u8 flags; // of register C, all together

// MARK: Processor

static void write_cr8(u64 value) { __asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory"); }

static u64 read_cr8(void) {
    u64 value;
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    return value;
}

static int offers_local_apic(void) {
    u32 a = 1, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return d >> 9 & 1;
}

// The instruction behind a WRMSR or RDMSR, both of two bytes, where it faults.
__attribute__((interrupt)) static void on_fault(struct frame *frame, u64 code) {
    (void)code;
    faults++;
    frame->rip += 2;
}

static int faults_on_write(u32 number, u64 value) {
    u64 before = faults;
    write_msr(number, value);
    return faults != before;
}

static int faults_on_read(u32 number) {
    u64 before = faults;
    read_msr(number);
    return faults != before;
}

// MARK: Interrupts

static u8 clock_read(u8 cell) {
    out8(0x70, cell);
    return in8(0x71);
}

static void clock_write(u8 cell, u8 value) {
    out8(0x70, cell);
    out8(0x71, value);
}

__attribute__((interrupt)) static void on_nmi(struct frame *frame) {
    (void)frame;
    nmis++;
    flags |= clock_read(0x0c);
}

__attribute__((interrupt)) static void on_clock(struct frame *frame) {
    (void)frame;
    flags |= clock_read(0x0c);
    clocks++;
    out8(0xa0, 0x20);
    out8(0x20, 0x20);
}

__attribute__((interrupt)) static void on_self(struct frame *frame) {
    (void)frame;
    selves++;
    apic_end_of_interrupt();
}

static void send_self(void) { apic_send(APIC_SELF | VECTOR_SELF, 0); }

// Interrupts on for long enough that a KVM which emulates by batches sees it.
static void open(void) {
    __asm__ volatile("sti");
    pause(2000);
    __asm__ volatile("cli");
}

static void sleep_until(const volatile u64 *count, u64 wanted) {
    while (*count < wanted) __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void ioapic(u32 number, u32 value) {
    *(volatile u32 *)0xfec00000ull = number;
    *(volatile u32 *)0xfec00010ull = value;
}

static void pair(void) {
    static const u8 words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0xa0, 0x11}, {0xa1, VECTOR_CLOCK},
                                  {0xa1, 2}, {0xa1, 1}, {0x21, 0xfb}, {0xa1, 0xfe}};
    for (u32 i = 0; i < sizeof words / sizeof *words; i++) out8(words[i][0], words[i][1]);
}

// MARK: Rules

__attribute__((noinline)) static void task_priority(const char *write_then_read, const char *both, const char *delivery) {
    apic_write(APIC_TASK_PRIORITY, 0);
    write_cr8(9);
    check(write_then_read, apic_read(APIC_TASK_PRIORITY) << 8 | apic_read(APIC_PROCESSOR_PRIORITY), 0x9090);
    apic_write(APIC_TASK_PRIORITY, 0);
    check(both, read_cr8() << 8 | apic_read(APIC_TASK_PRIORITY), 0);
    u64 before = selves;
    send_self();
    open();
    check(delivery, selves - before, 1);
}

static void lowered_priority(void) {
    u64 before = selves;
    __asm__ volatile("sti");
    write_cr8(8);
    send_self();
    pause(3000);
    u64 early = selves - before;
    write_cr8(0);
    for (int patience = 5000000; selves == before && patience; patience--) pause(1);
    __asm__ volatile("cli");
    check("CR8 holds an interrupt back", early, 0);
    check("it comes when CR8 is lowered, without an access to the local APIC", selves - before, 1);
}

static void clock_interrupts(void) {
    pair();
    idt_handle(VECTOR_CLOCK, on_clock);
    clock_write(0x0b, 0x02);
    clock_read(0x0c);
    flags = 0;
    clock_write(0x0b, 0x12);
    sleep_until(&clocks, 1);
    check("the update-ended interrupt wakes HLT, and says so", flags & 0x90, 0x90);
    check("reading register C clears it", clock_read(0x0c) & 0x90, 0);
    flags = 0;
    clock_write(0x0a, 0x26);
    clock_write(0x0b, 0x42);
    sleep_until(&clocks, 20);
    check("so does the periodic one", flags & 0xc0, 0xc0);
    clock_write(0x0b, 0x02);
    clock_read(0x0c);
    for (u8 cell = 1; cell <= 5; cell += 2) clock_write(cell, 0xff);
    clock_write(0x0b, 0x22);
    // The 8259 may have kept an edge of the periodic one.
    flags = 0;
    while (!(flags & 0x80)) sleep_until(&clocks, clocks + 1);
    check("and an alarm that means every second", flags & 0xa0, 0xa0);
    clock_write(0x0b, 0x02);
    out8(0xa1, 0xff);
    out8(0x21, 0xff);
}

static void halt_without_interrupts(void) {
    u64 before = nmis;
    ioapic(0x11 + 2 * CLOCK_PIN, 0);
    ioapic(0x10 + 2 * CLOCK_PIN, DELIVER_NMI);
    clock_read(0x0c);
    clock_write(0x0b, 0x12);
    __asm__ volatile("cli; hlt");
    check("an NMI from a device wakes HLT with interrupts off", nmis - before, 1);
    clock_write(0x0b, 0x02);
    clock_read(0x0c);
    ioapic(0x10 + 2 * CLOCK_PIN, MASKED);
}

static void registers(void) {
    check("writing 1 to MC0_STATUS faults", faults_on_write(0x401, 1), 1);
    check("writing reserved bits to XSS faults", faults_on_write(0xda0, 1ull << 63), 1);
    check("writing PERF_CAPABILITIES faults", faults_on_write(0x345, 0x2000), 1);
    check("reading a register that does not exist faults", faults_on_read(0x12345), 1);
    check("writing an address that is not canonical to LSTAR faults", faults_on_write(0xc0000082, 1ull << 62), 1);
    check("LSTAR takes others", faults_on_write(0xc0000082, 0xffffffff81000000ull), 0);
}

static void base_register(void) {
    u64 base = read_msr(APIC_BASE);
    check("CPUID offers the local APIC while it is on", offers_local_apic(), 1);
    write_msr(APIC_BASE, base & ~(u64)APIC_ENABLED);
    check("and not while it is off", offers_local_apic(), 0);
    write_msr(APIC_BASE, base);
    check("and again", offers_local_apic(), 1);
    apic_enable(0xff);
}

// For a debugger: what it does between the two is seen here.
__attribute__((noinline)) void before_nmis(void) { __asm__ volatile(""); }
__attribute__((noinline)) void after_nmis(void) { __asm__ volatile(""); }

// No other processor is started.
void ap_main(int cpu) { (void)cpu; }

int main(void) {
    idt_handle(VECTOR_NMI, on_nmi);
    idt_handle(VECTOR_FAULT, (void *)on_fault);
    idt_handle(VECTOR_SELF, on_self);
    idt_load();
    apic_enable(0xff);
    if (send_init) {
        apic_send(APIC_INIT | APIC_SELF, 0);
        apic_send(APIC_INIT, 0);
        pause(100000);
    }
    before_nmis();
    pause(3000);
    after_nmis();
    registers();
    task_priority("TPR and PPR show what CR8 was given", "CR8 shows what TPR was given", "and an interrupt comes");
    lowered_priority();
    clock_interrupts();
    halt_without_interrupts();
    base_register();
    apic_use_x2apic();
    apic_enable(0xff);
    task_priority("x2APIC: TPR and PPR show what CR8 was given", "x2APIC: CR8 shows what TPR was given", "x2APIC: and an interrupt comes");
    print("done\n");
    power_off();
}
