// Of a machine with a GICv2: a level at a shared interrupt.

#include "../interrupts.h"
#include "../virtio.h"
#include "../../gicdemo/gic.h"
#include "../../gicdemo/machine.h"

enum { FIRST_LINE = 48 };

void take_interrupt(void) {
    u32 taken = gic_acknowledge();
    if ((taken & 0x3ff) >= NO_INTERRUPT) return;
    virtio_interrupt();
    gic_end(taken);
}

void interrupts_enable(int place) {
    static int is_started;
    u32 line = FIRST_LINE + (u32)place;
    if (!is_started) {
        machine_start();
        machine_join();
        gic_start();
        gic_join();
    }
    is_started = 1;
    gic_set_priority(line, 0xa0);
    gic_set_target(line, 0);
    gic_set_edge(line, 0);
    gic_set_enabled(line, 1);
}

// A processor may take an interrupt between its look at a counter and this: so they stay off.
void interrupts_wait(void) { sleep(); }

void other_main(int number) { (void)number; }
