// The reasons for which the UART's interrupt does not arrive: Arm IHI 0048B, section 3.2.

#include "situations.h"
#include "gic.h"
#include "handlers.h"

enum {
    COUNTING = 1, // none at all: the line's interrupts are taken and counted
    NOT_ENABLED,
    DISTRIBUTOR_OFF,
    INTERFACE_OFF,
    PRIORITY_MASKED,
    HIGHER_RUNNING,
    INTERRUPTS_OFF,
    NO_TARGET,
    OTHER_GROUP,
    NEVER_ENDED, // taken once, and active for good
};

volatile int situation;

void in_situation(void) {}

_Noreturn void stay(void) {
    in_situation();
    for (;;) relax();
}

_Noreturn void arrange_situation(void) {
    gic_set_edge(UART_LINE, 1);
    unsent = 0;
    switch (situation) {
    case NOT_ENABLED: gic_set_enabled(UART_LINE, 0); break;
    case DISTRIBUTOR_OFF: gic_stop(); break;
    case INTERFACE_OFF: gic_leave(); break;
    case PRIORITY_MASKED: gic_set_mask(0x50); break;
    case HIGHER_RUNNING:
        stays = 1;
        gic_set_enabled(HIGH, 0);
        gic_set_enabled(LOW, 0);
        gic_set_priority(UART_LINE, 0xb0);
        gic_set_pending(MIDDLE);
        break;
    case INTERRUPTS_OFF: interrupts_off(); break;
    case NO_TARGET: gic_set_target(UART_LINE, 1); break;
    case OTHER_GROUP: gic_set_other_group(UART_LINE); break;
    case NEVER_ENDED:
        never_ended = UART_LINE;
        gic_set_pending(UART_LINE);
        while (!line_hits) relax();
        break;
    }
    stay();
}
