// Every interrupt comes here, on the processor that takes it.

#include "handlers.h"
#include "gic.h"
#include "situations.h"

volatile u64 ticks[MAX_PROCESSORS], messages[MAX_PROCESSORS], broadcasts[MAX_PROCESSORS];
volatile u64 line_hits, sent, held;
const char *volatile unsent;
volatile u64 ticks_wanted[MAX_PROCESSORS];
volatile u32 nesting, never_ended;
volatile int stays;

static void note(u32 digit) { nesting = nesting * 10 + digit; }

static void on_timer(int self) {
    if (++ticks[self] < ticks_wanted[self]) timer_set(PERIOD);
    else timer_off();
}

void on_uart(void) {
    line_hits++;
    if (!unsent) return;
    if (*unsent) {
        uart_next(*unsent++);
        sent++;
    } else {
        uart_stop();
    }
}

// Asks for one that may interrupt it and one that must wait for its end.
static void on_middle(void) {
    note(1);
    gic_set_pending(LOW);
    gic_set_pending(HIGH);
    interrupts_on();
    if (stays) stay();
    for (int patience = 100000; nesting % 10 != 2 && patience; patience--) relax();
    for (int i = 0; i < 3000; i++) relax(); // time for the low one to come too early
    interrupts_off();
    note(3);
}

static void handle(u32 id, int self) {
    switch (id) {
    case MESSAGE: messages[self]++; break;
    case BROADCAST: broadcasts[self]++; break;
    case TIMER: on_timer(self); break;
    case UART_LINE: on_uart(); break;
    case HELD: held++; break;
    case LOW: note(4); break;
    case MIDDLE: on_middle(); break;
    case HIGH: note(2); break;
    }
}

void take_interrupt(void) {
    u32 acknowledged = gic_acknowledge();
    u32 id = acknowledged & 0x3ff;
    if (id >= NO_INTERRUPT) return;
    handle(id, gic_own_number());
    if (id == never_ended) return;
    gic_end(acknowledged);
}
