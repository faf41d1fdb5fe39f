// Interrupts of every kind, taken and counted: local timers, a device's line, messages between processors, nesting by
// priority, NMIs, and some that wait because they are held off. Each line of output is one kind and its counts, which
// are the same on every machine with as many processors.

#include "../common/console.h"
#include "../common/idt.h"
#include "../common/ports.h"
#include "../common/registers.h"
#include "../processors/apic.h"
#include "../processors/processors.h"
#include "ioapic.h"
#include "situations.h"
#include "vectors.h"

volatile int use_x2apic;  // `set var use_x2apic = 1` before it starts
volatile int rounds = 100;

static int cpus;
static volatile u64 messages[MAX_CPUS], broadcasts[MAX_CPUS], nmis[MAX_CPUS];
static volatile u64 ticks, shots, deadlines, held;
volatile u32 nesting; // a digit for each thing that happened, in order
static volatile u64 lows;
static const char *volatile unsent;
static volatile u64 sent;
static volatile int ready[MAX_CPUS], round_of[MAX_CPUS], released;

// The number of the processor that calls. APIC ids are in order of arrival on this machine, or are looked up.
static volatile u32 id_of[MAX_CPUS];

static u32 own_id(void) {
    u32 id = apic_read(APIC_ID);
    return use_x2apic ? id : id >> 24;
}

static int own_number(void) {
    u32 id = own_id();
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
        if (ready[cpu] && id_of[cpu] == id) return cpu;
    }
    return 0;
}

// Sleeps until `*count` is `wanted`: interrupts come only in HLT, so none is missed between the look and the sleep.
static void sleep_until(const volatile u64 *count, u64 wanted) {
    for (;;) {
        __asm__ volatile("cli");
        if (*count >= wanted) break;
        __asm__ volatile("sti; hlt");
    }
    __asm__ volatile("sti");
}

// Runs on until `*count` is `wanted`.
static void spin_until(const volatile u64 *count, u64 wanted) {
    while (*count < wanted) pause(1);
}

// MARK: Handlers

__attribute__((interrupt)) static void on_tick(struct frame *frame) {
    (void)frame;
    // One more may wait already when the last one masks it.
    if (ticks < (u64)rounds && ++ticks == (u64)rounds) apic_write(APIC_TIMER, APIC_MASKED);
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_shot(struct frame *frame) {
    (void)frame;
    shots++;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_deadline(struct frame *frame) {
    (void)frame;
    deadlines++;
    apic_end_of_interrupt();
}

// The transmitter is empty: the next character goes out, until there is none.
__attribute__((interrupt)) void on_uart(struct frame *frame) {
    const u8 identification = 2;
    (void)frame;
    in8(UART + identification);
    line_hits++;
    if (unsent && *unsent) {
        out8(UART, (u8)*unsent++);
        sent++;
    }
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_message(struct frame *frame) {
    (void)frame;
    messages[own_number()]++;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_broadcast(struct frame *frame) {
    (void)frame;
    broadcasts[own_number()]++;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_held(struct frame *frame) {
    (void)frame;
    held++;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_nmi(struct frame *frame) {
    (void)frame;
    nmis[own_number()]++;
}

static void note(u32 digit) { nesting = nesting * 10 + digit; }

__attribute__((interrupt)) static void on_high(struct frame *frame) {
    (void)frame;
    note(2);
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_low(struct frame *frame) {
    (void)frame;
    note(4);
    lows++;
    apic_end_of_interrupt();
}

// Asks for one that may interrupt it and one that must wait for its end.
__attribute__((interrupt)) static void on_middle(struct frame *frame) {
    (void)frame;
    note(1);
    apic_send(APIC_SELF | APIC_FIXED | VECTOR_LOW, 0);
    apic_send(APIC_SELF | APIC_FIXED | VECTOR_HIGH, 0);
    __asm__ volatile("sti");
    for (int patience = 100000; nesting % 10 != 2 && patience; patience--) pause(1);
    pause(3000); // time for the low one to come too early
    __asm__ volatile("cli");
    note(3);
    apic_end_of_interrupt();
}

static void install_handlers(void) {
    idt_handle(VECTOR_NMI, on_nmi);
    idt_handle(VECTOR_TICK, on_tick);
    idt_handle(VECTOR_SHOT, on_shot);
    idt_handle(VECTOR_DEADLINE, on_deadline);
    idt_handle(VECTOR_UART, on_uart);
    idt_handle(VECTOR_MESSAGE, on_message);
    idt_handle(VECTOR_BROADCAST, on_broadcast);
    idt_handle(VECTOR_HELD, on_held);
    idt_handle(VECTOR_LOW, on_low);
    idt_handle(VECTOR_MIDDLE, on_middle);
    idt_handle(VECTOR_HIGH, on_high);
}

// The old controllers have every line too, and the boot processor listens to them.
static void silence_pics(void) {
    const u16 master_mask = 0x21, slave_mask = 0xa1;
    out8(master_mask, 0xff);
    out8(slave_mask, 0xff);
}

// MARK: What is tried

static void report(const char *what, u64 count) {
    print(what);
    print(" ");
    print_number(count);
    print("\n");
}

static void timers(void) {
    const u32 divide_by_16 = 3, initial = 20000; // 0.3 ms of a 1 GHz bus
    apic_write(APIC_TIMER_DIVIDE, divide_by_16);
    apic_write(APIC_TIMER, APIC_PERIODIC | VECTOR_TICK);
    apic_write(APIC_TIMER_INITIAL, initial);
    sleep_until(&ticks, (u64)rounds);
    apic_write(APIC_TIMER_INITIAL, 0);
    report("periodic timer", ticks);

    apic_write(APIC_TIMER, VECTOR_SHOT);
    for (u64 shot = 1; shot <= 10; shot++) {
        apic_write(APIC_TIMER_INITIAL, initial);
        sleep_until(&shots, shot);
    }
    report("one-shot timer", shots);
}

static int has_tsc_deadline(void) {
    u32 a = 1, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c >> 24 & 1;
}

static void deadline(void) {
    const u32 tsc_deadline = 0x6e0;
    if (!has_tsc_deadline()) return print("tsc deadline not offered\n");
    apic_write(APIC_TIMER, APIC_DEADLINE | VECTOR_DEADLINE);
    for (u64 number = 1; number <= 10; number++) {
        write_msr(tsc_deadline, read_tsc() + 1000000);
        sleep_until(&deadlines, number);
    }
    apic_write(APIC_TIMER, APIC_MASKED);
    report("tsc deadline", deadlines);
}

static void line(void) {
    const u8 interrupt_enable = 1, transmitter_empty = 2, modem_control = 4, out2 = 8;
    ioapic_route(UART_LINE, VECTOR_UART, id_of[0]);
    unsent = "(sent by interrupts)\n";
    u64 length = 0;
    while (unsent[length]) length++;
    out8(UART + modem_control, out2); // gates the line
    out8(UART + interrupt_enable, transmitter_empty);
    sleep_until(&sent, length);
    out8(UART + interrupt_enable, 0);
    unsent = 0;
    report("uart", sent);
}

// Each processor sends to the next, and waits for what the one before it sends.
static void ring(int cpu) {
    int next = (cpu + 1) % cpus;
    for (u64 round = 1; round <= (u64)rounds; round++) {
        while (messages[next] + 1 < round) pause(1);
        apic_send(APIC_FIXED | VECTOR_MESSAGE, id_of[next]);
        spin_until(&messages[next], round);
    }
}

static void report_each(const char *what, const volatile u64 *counts) {
    print(what);
    for (int cpu = 0; cpu < cpus; cpu++) {
        print(" ");
        print_number(counts[cpu]);
    }
    print("\n");
}

static void everybody(void) {
    for (u64 number = 1; number <= 10; number++) {
        apic_send(APIC_ALL | APIC_FIXED | VECTOR_BROADCAST, 0);
        for (int cpu = 0; cpu < cpus; cpu++) spin_until(&broadcasts[cpu], number);
    }
    report_each("broadcasts", broadcasts);
    for (u64 number = 1; number <= 5; number++) {
        for (int cpu = 0; cpu < cpus; cpu++) {
            apic_send(APIC_NMI, id_of[cpu]);
            spin_until(&nmis[cpu], number);
        }
    }
    report_each("nmis", nmis);
}

// The order is 1 2 3 4 where the controller keeps what is in service; some hosts' kernels let the low one in too soon.
static void priorities(void) {
    apic_send(APIC_SELF | APIC_FIXED | VECTOR_MIDDLE, 0);
    spin_until(&lows, 1);
    while (nesting < 1000) pause(1);
    report("nested", nesting / 100 % 10 == 2);
}

// One held off by the task priority, and one by IF.
static void masks(void) {
    u64 early = 0;
    apic_write(APIC_TASK_PRIORITY, 0xf0);
    apic_send(APIC_SELF | APIC_FIXED | VECTOR_HELD, 0);
    pause(3000);
    early += held;
    apic_write(APIC_TASK_PRIORITY, 0);
    spin_until(&held, 1);
    __asm__ volatile("cli");
    apic_send(APIC_SELF | APIC_FIXED | VECTOR_HELD, 0);
    pause(3000);
    early += held - 1;
    __asm__ volatile("sti");
    spin_until(&held, 2);
    report("held off", held);
    report("too early", early);
}

// MARK: Processors

static void join(int cpu) {
    idt_load();
    apic_enable(VECTOR_SPURIOUS);
    apic_write(APIC_TASK_PRIORITY, 0);
    id_of[cpu] = own_id();
    ready[cpu] = 1;
    __asm__ volatile("sti");
}

void ap_main(int cpu) {
    join(cpu);
    while (!released) pause(1);
    ring(cpu);
    round_of[cpu] = 1;
    for (;;) __asm__ volatile("hlt");
}

static void up(int cpu) { (void)cpu; }

int main(void) {
    install_handlers();
    silence_pics();
    if (use_x2apic) apic_use_x2apic();
    cpus = start_processors(up);
    join(0);
    for (int cpu = 0; cpu < cpus; cpu++) {
        while (!ready[cpu]) pause(1);
    }
    report("processors", (u64)cpus);
    timers();
    deadline();
    line();
    released = 1;
    ring(0);
    for (int cpu = 1; cpu < cpus; cpu++) {
        while (!round_of[cpu]) pause(1);
    }
    report_each("messages", messages);
    everybody();
    priorities();
    masks();
    if (situation) arrange_situation();
    return 0;
}
