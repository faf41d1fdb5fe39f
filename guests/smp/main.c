// Every processor counts: threads, per-CPU breakpoints, stopping and resuming them together.

#include "../common/console.h"
#include "../common/types.h"
#include "apic.h"

enum { MAX_CPUS = 16 };

u64 rounds = 20000;               // how far each processor counts
volatile int forever;             // `set var forever = 1` keeps them all counting
volatile u64 counters[MAX_CPUS];  // one per processor, in order of arrival
volatile u32 arrived = 1;         // processors running; also the next one's number, see ap.S
static volatile int finished[MAX_CPUS];

u8 ap_stacks[MAX_CPUS][4096] __attribute__((aligned(16)));
const u32 max_cpus = MAX_CPUS;

void work(int cpu) { counters[cpu]++; }

void count(int cpu) {
    for (u64 i = 0; forever || i < rounds; i++) work(cpu);
    finished[cpu] = 1;
}

// Called by ap.S on every application processor, which halts when this returns.
void ap_main(int cpu) { count(cpu); }

static void report(int cpu, const char *what) {
    print("cpu ");
    print_number((u64)cpu);
    print(what);
}

static int running(void) { return arrived < MAX_CPUS ? (int)arrived : MAX_CPUS; }

static u64 cycles(void) {
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

// How many processors exist is not known here. So this waits until none has come for some 100 ms of a 2 GHz
// counter, and for some polls of its own as well: the counter goes on while a debugger holds the machine.
static void wait_for_arrivals(void) {
    const u64 patience = 200 * 1000 * 1000;
    int up = 0;
    u64 last = cycles();
    for (int polls = 0; polls < 3000 || cycles() - last < patience; polls++) {
        for (; up < running(); up++) {
            report(up, " is up\n");
            last = cycles();
            polls = 0;
        }
        __asm__ volatile("pause");
    }
}

int main(void) {
    apic_start_others();
    wait_for_arrivals();
    count(0);

    for (int cpu = 0; cpu < running(); cpu++) {
        while (!finished[cpu]) __asm__ volatile("pause");
        report(cpu, " counted ");
        print_number(counters[cpu]);
        print("\n");
    }
    return 0;
}
