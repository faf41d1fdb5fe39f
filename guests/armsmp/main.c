// Two processors: the first starts the second by PSCI and sends it software generated interrupts, which are counted.

#include "../common/console.h"
#include "../common/types.h"

enum { INTERRUPT = 5, SGI = 3, ROUNDS = 20, OFF = 0x84000002 };
static const u64 CPU_ON = 0xc4000003;

extern char vectors[], secondary_start[];
volatile u64 counters[2];
volatile u64 received, from, others, online;
static u64 stack[1024] __attribute__((aligned(16)));

static volatile u32 *const distributor = (volatile u32 *)0x08000000;
static volatile u32 *const interface = (volatile u32 *)0x08010000;

static u64 call(u64 function, u64 a, u64 b, u64 c) {
    register u64 x0 __asm__("x0") = function;
    register u64 x1 __asm__("x1") = a;
    register u64 x2 __asm__("x2") = b;
    register u64 x3 __asm__("x3") = c;
    __asm__ volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

static void listen(void) {
    __asm__ volatile("msr vbar_el1, %0; isb" : : "r"(vectors));
    interface[1] = 0xff;
    interface[0] = 1;
}

void on_message(u32 source) {
    received++;
    from = source;
}

void on_exception(u64 entry) {
    u32 taken = interface[0xc / 4];
    if (entry == INTERRUPT && (taken & 0x3ff) == SGI) {
        on_message(taken >> 10 & 7);
    } else {
        others++;
    }
    interface[0x10 / 4] = taken;
}

void count(int cpu) { counters[cpu]++; }

_Noreturn void secondary_main(void) {
    listen();
    online = 1;
    __asm__ volatile("msr daifclr, #2");
    while (received < ROUNDS) {
        __asm__ volatile("wfi");
        count(1);
    }
    call(OFF, 0, 0, 0);
    for (;;) {}
}

static void report(const char *what, u64 value) {
    print(what);
    print(" = ");
    print_number(value);
    print("\n");
}

int main(void) {
    distributor[0] = 1;
    listen();
    u64 failure = call(CPU_ON, 1, (u64)secondary_start, (u64)(stack + 1024));
    report("CPU_ON", failure);
    while (!failure && !online) {}
    for (u64 round = 0; !failure && round < ROUNDS; round++) {
        distributor[0xf00 / 4] = 2u << 16 | SGI;
        while (received <= round) count(0);
    }
    report("received", received);
    report("from", from);
    report("others", others);
    return 0;
}
