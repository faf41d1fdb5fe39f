// Waking the others up and counting them.

#include "processors.h"
#include "../common/registers.h"
#include "apic.h"

volatile u32 arrived = 1; // processors running; also the next one's number, see ap.S
u8 ap_stacks[MAX_CPUS][4096] __attribute__((aligned(4096)));
const u32 max_cpus = MAX_CPUS;

// EBX of CPUID's leaf 1, Intel SDM volume 2.
static int processors_told(void) {
    u32 a = 1, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b >> 16 & 0xff;
}

static int running(void) { return arrived < MAX_CPUS ? (int)arrived : MAX_CPUS; }

// How many processors exist is for firmware to say, of which there is none. So this waits until none has come for some
// 100 ms of a 2 GHz counter, and for some polls of its own as well: the counter goes on while a debugger holds the
// machine. As long as there are fewer than CPUID tells, which counts those of one package, it waits 50 times as long.
int start_processors(void (*up)(int cpu)) {
    const u64 patience = 200 * 1000 * 1000;
    const int told = processors_told();
    int known = 0;
    apic_start_others();
    u64 last = read_tsc();
    for (int polls = 0; polls < 3000 || read_tsc() - last < (known < told ? 50 * patience : patience); polls++) {
        for (; known < running(); known++) {
            up(known);
            last = read_tsc();
            polls = 0;
        }
        pause(1);
    }
    return known;
}
