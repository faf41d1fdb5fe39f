// The guest's own exceptions: BRK, SVC and the interrupts of the virtual and the physical timer, counted by its handlers;
// and additions that an exception makes begin anew.

#include "../common/console.h"
#include "../common/types.h"

enum { SYNCHRONOUS = 4, INTERRUPT = 5, CLASS_SVC = 0x15, CLASS_BRK = 0x3c, VIRTUAL_TIMER = 27, PHYSICAL_TIMER = 30 };

extern char vectors[];
volatile u64 breaks, calls, ticks, physical_ticks, others;
volatile u64 last_comment, shared;

static volatile u32 *const distributor = (volatile u32 *)0x08000000;
static volatile u32 *const interface = (volatile u32 *)0x08010000;

void on_tick(void) {
    ticks++;
    __asm__ volatile("msr cntv_ctl_el0, xzr");
}

void on_physical_tick(void) {
    physical_ticks++;
    __asm__ volatile("msr cntp_ctl_el0, xzr");
}

void on_break(u64 comment) {
    breaks++;
    last_comment = comment;
    u64 link;
    __asm__ volatile("mrs %0, elr_el1" : "=r"(link));
    __asm__ volatile("msr elr_el1, %0" : : "r"(link + 4));
}

void on_call(u64 comment) {
    calls++;
    last_comment = comment;
}

void on_exception(u64 entry) {
    u64 syndrome;
    __asm__ volatile("mrs %0, esr_el1" : "=r"(syndrome));
    u64 class = syndrome >> 26 & 0x3f;
    if (entry == INTERRUPT) {
        u32 taken = interface[0xc / 4];
        if ((taken & 0x3ff) == VIRTUAL_TIMER) on_tick();
        if ((taken & 0x3ff) == PHYSICAL_TIMER) on_physical_tick();
        interface[0x10 / 4] = taken;
    } else if (entry == SYNCHRONOUS && class == CLASS_BRK) {
        on_break(syndrome & 0xffff);
    } else if (entry == SYNCHRONOUS && class == CLASS_SVC) {
        on_call(syndrome & 0xffff);
    } else {
        others++;
    }
}

// Whatever exception comes between load and store, the debugger's too, takes the exclusive monitor away.
u64 add_exclusive(volatile u64 *there, u64 value) {
    u64 sum, failed;
    __asm__ volatile("1: ldxr %0, [%2]; add %0, %0, %3; stxr %w1, %0, [%2]; cbnz %w1, 1b"
                     : "=&r"(sum), "=&r"(failed)
                     : "r"(there), "r"(value)
                     : "memory");
    return sum;
}

static void report(const char *what, u64 value) {
    print(what);
    print(" = ");
    print_number(value);
    print("\n");
}

void start_timer(void) {
    distributor[0] = 1;
    distributor[0x100 / 4] = 1u << VIRTUAL_TIMER;
    interface[1] = 0xff;
    interface[0] = 1;
    __asm__ volatile("msr cntv_tval_el0, %0; mov x0, #1; msr cntv_ctl_el0, x0" : : "r"(100000ull) : "x0");
    __asm__ volatile("msr daifclr, #2");
}

static void start_physical_timer(void) {
    distributor[0x100 / 4] = 1u << PHYSICAL_TIMER;
    __asm__ volatile("msr cntp_tval_el0, %0; mov x0, #1; msr cntp_ctl_el0, x0" : : "r"(100000ull) : "x0");
}

int main(void) {
    __asm__ volatile("msr vbar_el1, %0; isb" : : "r"(vectors));
    __asm__ volatile("brk #0x123");
    report("breaks", breaks);
    __asm__ volatile("svc #7");
    report("calls", calls);
    for (u64 value = 5; value < 8; value++) add_exclusive(&shared, value);
    report("shared", shared);
    start_timer();
    while (!ticks) __asm__ volatile("wfi");
    report("ticks", ticks);
    start_physical_timer();
    while (!physical_ticks) __asm__ volatile("wfi");
    report("physical ticks", physical_ticks);
    report("others", others);
    return 0;
}
