// Every processor counts: threads, per-CPU breakpoints, stopping and resuming them together.

#include "../common/console.h"
#include "../common/types.h"
#include "../processors/processors.h"

u64 rounds = 20000;               // how far each processor counts
volatile int forever;             // `set var forever = 1` keeps them all counting
volatile u64 counters[MAX_CPUS];  // one per processor
static volatile int finished[MAX_CPUS];

void work(int cpu) { counters[cpu]++; }

void count(int cpu) {
    for (u64 i = 0; forever || i < rounds; i++) work(cpu);
    finished[cpu] = 1;
}

void ap_main(int cpu) { count(cpu); }

static void report(int cpu, const char *what) {
    print("cpu ");
    print_number((u64)cpu);
    print(what);
}

static void report_up(int cpu) { report(cpu, " is up\n"); }

int main(void) {
    int cpus = start_processors(report_up);
    count(0);

    for (int cpu = 0; cpu < cpus; cpu++) {
        while (!finished[cpu]) __asm__ volatile("pause");
        report(cpu, " counted ");
        print_number(counters[cpu]);
        print("\n");
    }
    return 0;
}
