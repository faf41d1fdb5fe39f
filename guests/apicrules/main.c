// Rules of the local APIC and of model-specific registers that a guest can check by itself: Intel SDM volume 3, chapter
// "Advanced Programmable Interrupt Controller", and volume 4. With two processors also what goes from one to the other.

#include "../checks/check.h"
#include "../common/console.h"
#include "../common/idt.h"
#include "../common/power.h"
#include "../common/registers.h"
#include "../processors/apic.h"
#include "../processors/processors.h"

enum {
    VECTOR_NMI = 2,
    VECTOR_FAULT = 13,
    VECTOR_BEHIND = 0x44, // sent behind an NMI: when it has come, so has the NMI
    VECTOR_ALL = 0xcf,
    VECTOR_TIMER = 0xee,
    VECTOR_DEADLINE = 0xef,
    VECTOR_SELF = 0xf1,
    APIC_VERSION = 0x030,
    APIC_BASE = 0x1b,
    X2APIC = 1 << 10,
    ENABLED = 1 << 11,
    MODES = X2APIC | ENABLED,
    DEADLINE = 0x6e0,
    TSC = 0x10,
};

static const u64 usual_page = 0xfee00000, other_page = 0xfed40000;
static volatile u64 faults, nmis, selves, timers, deadlines;
static volatile u32 heard; // processors that got VECTOR_ALL
static volatile int behind, nest;
// What the second processor is to do, and that it has done it.
enum job { NOTHING, IDENTIFY, SEND_NMI };
static volatile enum job job;

struct cpuid {
    u32 a, b, c, d;
};

static struct cpuid cpuid(u32 leaf) {
    struct cpuid r = {leaf, 0, 0, 0};
    __asm__ volatile("cpuid" : "+a"(r.a), "=b"(r.b), "+c"(r.c), "=d"(r.d));
    return r;
}

static void write_cr8(u64 value) { __asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory"); }

static u64 read_cr8(void) {
    u64 value;
    __asm__ volatile("mov %%cr8, %0" : "=r"(value));
    return value;
}

static volatile u32 *at(u64 page, u32 offset) { return (volatile u32 *)(page + offset); }

// MARK: Handlers

// The instruction behind a WRMSR or RDMSR, both of two bytes, where it faults.
__attribute__((interrupt)) static void on_fault(struct frame *frame, u64 code) {
    (void)code;
    faults++;
    frame->rip += 2;
}

static int write_faults(u32 number, u64 value) {
    u64 before = faults;
    write_msr(number, value);
    return faults != before;
}

static int read_faults(u32 number) {
    u64 before = faults;
    read_msr(number);
    return faults != before;
}

// NMIs wait while one is handled: of those sent here, one is left.
__attribute__((interrupt)) static void on_nmi(struct frame *frame) {
    (void)frame;
    nmis++;
    if (!nest) return;
    nest = 0;
    for (int i = 0; i < 10; i++) apic_send(APIC_NMI, 0);
}

__attribute__((interrupt)) static void on_self(struct frame *frame) {
    (void)frame;
    selves++;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_behind(struct frame *frame) {
    (void)frame;
    behind = 1;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_all(struct frame *frame) {
    (void)frame;
    __atomic_add_fetch(&heard, 1, __ATOMIC_SEQ_CST);
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_timer(struct frame *frame) {
    (void)frame;
    timers++;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_deadline(struct frame *frame) {
    (void)frame;
    deadlines++;
    apic_end_of_interrupt();
}

static void await(const volatile u64 *count, u64 wanted) {
    for (int patience = 2000000; *count < wanted && patience; patience--) pause(1);
}

// MARK: One processor

static void base_register(void) {
    const u64 old = read_msr(APIC_BASE), base = old & ~(u64)MODES;
    const u64 reserved = 1ull << (cpuid(0x80000008).a & 0xff);
    check("x2APIC mode can be entered", write_faults(APIC_BASE, base | MODES), 0);
    check("from x2APIC mode not to x2APIC without xAPIC", write_faults(APIC_BASE, base | X2APIC), 1);
    check("nor to xAPIC mode", write_faults(APIC_BASE, base | ENABLED), 1);
    check("but off", write_faults(APIC_BASE, base), 0);
    check("from off not to x2APIC without xAPIC", write_faults(APIC_BASE, base | X2APIC), 1);
    check("nor to x2APIC mode", write_faults(APIC_BASE, base | MODES), 1);
    check("but to xAPIC mode", write_faults(APIC_BASE, base | ENABLED), 0);
    check("from xAPIC mode not to x2APIC without xAPIC", write_faults(APIC_BASE, base | X2APIC), 1);
    check("an address beyond the processor's is refused", write_faults(APIC_BASE, old | reserved), 1);
    check("so is a reserved bit", write_faults(APIC_BASE, old | 1), 1);
    check("all of that has changed nothing", read_msr(APIC_BASE), old);
    apic_enable(0xff);
}

static void switched_off(void) {
    const u64 old = read_msr(APIC_BASE), priority = read_cr8();
    const u32 version = *at(usual_page, APIC_VERSION);
    write_msr(APIC_BASE, old & ~(u64)MODES);
    for (u32 offset = 0; offset < 0x1000; offset += 4) *at(usual_page, offset) = ~0u;
    check("where the APIC is off its page reads ones", *at(usual_page, APIC_VERSION), ~0u);
    check("writes to that leave CR8 alone", read_cr8(), priority);
    write_cr8(priority ^ 15);
    check("which can be written", read_cr8(), priority ^ 15);
    check("and is not seen in the page", *at(usual_page, APIC_TASK_PRIORITY), ~0u);
    write_cr8(priority);
    write_msr(APIC_BASE, old);
    check("on again it has its version", *at(usual_page, APIC_VERSION), version);
    check("and its task priority", *at(usual_page, APIC_TASK_PRIORITY), priority << 4);
    write_msr(APIC_BASE, (old & 0xfff) | other_page);
    check("it can be moved", *at(other_page, APIC_VERSION), version);
    write_msr(APIC_BASE, old);
    check("and back", *at(usual_page, APIC_VERSION), version);
    apic_enable(0xff);
}

static void self(void) {
    u64 before = selves;
    __asm__ volatile("sti");
    apic_send(APIC_SELF | VECTOR_SELF, 0);
    await(&selves, before + 1);
    pause(3000);
    check("a message to itself comes once", selves - before, 1);
    for (int i = 0; i < 20; i++) {
        nmis = 0, nest = 1;
        apic_send(APIC_NMI, 0);
        await(&nmis, 2);
        pause(1000);
        if (nmis != 2) break;
    }
    check("of NMIs sent in an NMI's handler one is left", nmis, 2);
    __asm__ volatile("cli");
}

static void timer(void) {
    const u32 count = 0x10000, long_count = 0xffffffff, some = 0x10000;
    __asm__ volatile("sti");
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_TIMER, VECTOR_TIMER);
    timers = 0;
    u64 start = read_tsc();
    apic_write(APIC_TIMER_INITIAL, count);
    await(&timers, 1);
    check("the one-shot timer comes", timers, 1);
    check("and not before its time", read_tsc() - start >= count, 1);
    apic_write(APIC_TIMER_INITIAL, long_count);
    apic_write(APIC_TIMER, APIC_PERIODIC | VECTOR_TIMER);
    check("another mode leaves the initial count alone", apic_read(APIC_TIMER_INITIAL), long_count);
    apic_write(APIC_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, long_count);
    while (apic_read(APIC_TIMER_CURRENT) > long_count - some) {}
    apic_write(APIC_TIMER, APIC_PERIODIC | VECTOR_TIMER);
    u32 current = apic_read(APIC_TIMER_CURRENT);
    check("a count goes on where the timer becomes periodic", current && current <= long_count - some, 1);
    u64 before = timers;
    apic_write(APIC_TIMER_INITIAL, count);
    await(&timers, before + 2);
    check("to come again and again", timers >= before + 2, 1);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_TIMER, APIC_MASKED | VECTOR_TIMER);
    if (cpuid(1).c >> 24 & 1) {
        apic_write(APIC_TIMER, APIC_DEADLINE | VECTOR_DEADLINE);
        write_msr(DEADLINE, read_msr(TSC));
        await(&deadlines, 1);
        check("a deadline that has passed comes", deadlines, 1);
        check("and is gone then", read_msr(DEADLINE), 0);
        apic_write(APIC_TIMER, APIC_MASKED | VECTOR_DEADLINE);
    }
    __asm__ volatile("cli");
}

// A register takes `value`, gives it back, and has its own again.
static int keeps(u32 number, u64 value, u64 read_only) {
    u64 old = read_msr(number);
    value = (value & ~read_only) | (old & read_only);
    write_msr(number, value);
    u64 now = read_msr(number);
    write_msr(number, old);
    return now == value;
}

static void registers(void) {
    const u64 place = 0x123456789abc, nowhere = 0xaaaaaaaaaaaa0000;
    static const u32 with_address[] = {0xc0000100, 0xc0000101, 0xc0000102, 0xc0000082, 0xc0000083};
    int kept = 1, refused = 1, banks = read_msr(0x179) & 0xff;
    kept &= keeps(0x174, 0x1234, 0) & keeps(0x175, place, 0) & keeps(0x176, place, 0);
    kept &= keeps(0x1a0, 0x400c50809, 0x1880) & keeps(0x277, 0x07070707, 0) & keeps(0xc0000084, 0xffffffff, 0);
    for (u32 i = 0; i < sizeof with_address / sizeof *with_address; i++) {
        kept &= keeps(with_address[i], place, 0);
        refused &= write_faults(with_address[i], nowhere);
    }
    check("registers keep what they are given", kept, 1);
    check("those of addresses take canonical ones only", refused, 1);
    kept = refused = 1;
    for (int bank = 0; bank < 32; bank++) {
        u32 control = 0x400 + 4 * (u32)bank;
        if (bank >= banks) {
            for (u32 i = 0; i < 4; i++) refused &= read_faults(control + i) & write_faults(control + i, 0);
            continue;
        }
        kept &= keeps(control, 0, 0) & keeps(control, ~0ull, 0) & keeps(control + 1, 0, 0);
        refused &= write_faults(control, nowhere) & write_faults(control + 1, 1);
        for (u32 i = 2; i < 4; i++) kept &= keeps(control + i, 0, 0) & keeps(control + i, ~0ull, 0) & keeps(control + i, nowhere, 0);
    }
    check("machine-check banks keep what they are given", kept, 1);
    check("and refuse what they may not have; so do banks that are not there", refused, 1);
}

// MARK: Two processors

static void identify(void) {
    const u64 base = read_msr(APIC_BASE);
    const u32 initial = cpuid(1).b >> 24, extended = cpuid(0xb).d;
    u32 id = *at(usual_page, APIC_ID) >> 24;
    check("the xAPIC id is CPUID's", id, initial);
    *at(usual_page, APIC_ID) = (id + 1) << 24;
    u32 now = *at(usual_page, APIC_ID) >> 24;
    check("it can be written, or stays", now == id || now == id + 1, 1);
    write_msr(APIC_BASE, base | MODES);
    check("the x2APIC id is CPUID's", read_msr(0x802), extended);
    check("whose low byte is the xAPIC id", extended & 0xff, initial);
    check("it cannot be written", write_faults(0x802, extended + 1), 1);
    write_msr(APIC_BASE, base & ~(u64)MODES);
    write_msr(APIC_BASE, base);
    check("off and on gives the xAPIC id back", *at(usual_page, APIC_ID) >> 24, initial);
    apic_enable(0xff);
}

static void send_nmi(void) {
    apic_send(APIC_NMI, 0);
    apic_send(VECTOR_BEHIND, 0);
}

void ap_main(int cpu) {
    (void)cpu;
    idt_load();
    apic_enable(0xff);
    __asm__ volatile("sti");
    while (1) {
        switch (job) {
        case NOTHING: pause(1); continue;
        case IDENTIFY: identify(); break;
        case SEND_NMI: send_nmi(); break;
        }
        job = NOTHING;
    }
}

static void give(enum job wanted) { job = wanted; }

static void finished(void) {
    while (job != NOTHING) pause(1);
}

static u32 broadcast(u32 command, u32 destination, u32 wanted) {
    heard = 0;
    apic_send(command | VECTOR_ALL, destination);
    for (int patience = 2000000; heard < wanted && patience; patience--) pause(1);
    pause(3000);
    return heard;
}

static void together(u32 count) {
    give(IDENTIFY);
    finished();
    __asm__ volatile("sti");
    check("a message to all comes to all", broadcast(0, 0xff, count), count);
    check("so does one by shorthand", broadcast(APIC_ALL, 0, count), count);
    u64 least = 2, most = 1;
    for (int i = 0; i < 200; i++) {
        nmis = 0, behind = 0;
        give(SEND_NMI);
        apic_send(APIC_NMI, 0);
        while (!behind) pause(1);
        finished();
        if (nmis < least) least = nmis;
        if (nmis > most) most = nmis;
    }
    // The first may have been handled before the second came, or both are one after the other: none is lost, none added.
    check("two NMIs from two processors are two", least << 8 | most, 2 << 8 | 2);
    __asm__ volatile("cli");
}

static void count(int cpu) { (void)cpu; }

int main(void) {
    idt_handle(VECTOR_NMI, on_nmi);
    idt_handle(VECTOR_FAULT, (void *)on_fault);
    idt_handle(VECTOR_SELF, on_self);
    idt_handle(VECTOR_BEHIND, on_behind);
    idt_handle(VECTOR_ALL, on_all);
    idt_handle(VECTOR_TIMER, on_timer);
    idt_handle(VECTOR_DEADLINE, on_deadline);
    idt_load();
    apic_enable(0xff);
    check("the boot processor says so", read_msr(APIC_BASE) >> 8 & 1, 1);
    base_register();
    switched_off();
    self();
    timer();
    registers();
    u32 processors = (u32)start_processors(count);
    if (processors == 2) together(processors);
    print("done\n");
    power_off();
}
