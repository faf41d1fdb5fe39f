// A GIC at work: each processor's timer (a PPI), the UART's line (an SPI), messages between processors (SGIs), nesting
// by priority, the two ways to end an interrupt, and some that wait because they are held off. Each line of output is
// one kind and its counts, which are the same on every machine with as many processors, whatever its architecture.

#include "../common/console.h"
#include "gic.h"
#include "handlers.h"
#include "machine.h"
#include "situations.h"

volatile int rounds = 100;

static int processors;
static volatile int ready[MAX_PROCESSORS], timed[MAX_PROCESSORS], done[MAX_PROCESSORS], released;

// Interrupts come only while it sleeps, so none is missed between the look and the sleep.
static void sleep_until(const volatile u64 *count, u64 wanted) {
    interrupts_off();
    while (*count < wanted) sleep();
    interrupts_on();
}

// Runs on until `*count` is `wanted`.
static void spin_until(const volatile u64 *count, u64 wanted) {
    while (*count < wanted) relax();
}

static void report(const char *what, u64 count) {
    print(what);
    print(" ");
    print_number(count);
    print("\n");
}

static void report_each(const char *what, const volatile u64 *counts) {
    print(what);
    for (int i = 0; i < processors; i++) {
        print(" ");
        print_number(counts[i]);
    }
    print("\n");
}

// MARK: What is tried

static void tick(int self) {
    ticks_wanted[self] = (u64)rounds;
    timer_set(PERIOD);
    sleep_until(&ticks[self], (u64)rounds);
}

static void line(void) {
    const char *text = "(sent by interrupts)\n";
    u64 length = 0;
    while (text[length]) length++;
    gic_set_priority(UART_LINE, 0x80);
    gic_set_target(UART_LINE, 0);
    gic_set_edge(UART_LINE, 0);
    gic_set_enabled(UART_LINE, 1);
    unsent = text + 1;
    uart_start(text[0]);
    sleep_until(&sent, length - 1);
    uart_stop();
    unsent = 0;
    report("uart", sent + 1);
}

// Each processor sends to the next, and waits for what the one before it sends.
static void ring(int self) {
    int next = (self + 1) % processors;
    for (u64 round = 1; round <= (u64)rounds; round++) {
        while (messages[next] + 1 < round) relax();
        gic_send(MESSAGE, next);
        spin_until(&messages[next], round);
    }
}

static void everybody(void) {
    for (u64 number = 1; number <= 10; number++) {
        gic_send(BROADCAST, TO_OTHERS);
        gic_send(BROADCAST, TO_SELF);
        for (int i = 0; i < processors; i++) spin_until(&broadcasts[i], number);
    }
    report_each("broadcasts", broadcasts);
}

// Makes `id` pending by hand, on the first processor.
static void wire(u32 id, u8 priority) {
    gic_set_edge(id, 1);
    gic_set_priority(id, priority);
    gic_set_target(id, 0);
    gic_set_enabled(id, 1);
}

static void priorities(void) {
    wire(LOW, 0x90);
    wire(MIDDLE, 0x90);
    wire(HIGH, 0x40);
    gic_set_pending(MIDDLE);
    while (nesting < 1000) relax();
    report("nested", nesting);
}

// Ends that come in two steps: the priority drops before the interrupt may come again.
static void split_ends(void) {
    gic_split_end(1);
    u64 before = messages[0];
    for (u64 number = 1; number <= 10; number++) {
        gic_send(MESSAGE, TO_SELF);
        spin_until(&messages[0], before + number);
    }
    gic_split_end(0);
    report("split ends", messages[0] - before);
}

// One held off by the priority mask, one disabled in the Distributor, one with the processor's interrupts off.
static void masks(void) {
    u64 early = 0;
    wire(HELD, 0x60);
    gic_set_mask(0x50);
    gic_set_pending(HELD);
    for (int i = 0; i < 3000; i++) relax();
    early += held;
    gic_set_mask(0xff);
    spin_until(&held, 1);

    gic_set_enabled(HELD, 0);
    gic_set_pending(HELD);
    for (int i = 0; i < 3000; i++) relax();
    early += held - 1;
    gic_set_enabled(HELD, 1);
    spin_until(&held, 2);

    interrupts_off();
    gic_set_pending(HELD);
    for (int i = 0; i < 3000; i++) relax();
    early += held - 2;
    interrupts_on();
    spin_until(&held, 3);
    report("held off", held);
    report("too early", early);
}

// MARK: Processors

static void join(int self) {
    machine_join();
    gic_join();
    ready[self] = 1;
    interrupts_on();
}

void other_main(int self) {
    join(self);
    while (!released) relax();
    tick(self);
    timed[self] = 1;
    ring(self);
    done[self] = 1;
    interrupts_off();
    for (;;) sleep();
}

static void await(const volatile int *all) {
    for (int i = 1; i < processors; i++) {
        while (!all[i]) relax();
    }
}

int main(void) {
    machine_start();
    gic_start();
    processors = gic_processors();
    join(0);
    for (int i = 1; i < processors; i++) machine_start_processor(i);
    await(ready);
    report("processors", (u64)processors);
    released = 1;
    tick(0);
    await(timed);
    report_each("timers", ticks);
    line();
    ring(0);
    await(done);
    report_each("messages", messages);
    everybody();
    priorities();
    split_ends();
    masks();
    if (situation) arrange_situation();
    return 0;
}
