// A driver of an interrupt controller: gicv2/ and gicv3/ have each their own. What is banked is the calling processor's.
#pragma once
#include "../common/types.h"

enum { NO_INTERRUPT = 1020 }; // and above: none is there for this processor

// The number of the processor that calls.
int gic_own_number(void);
// Switches the Distributor on.
void gic_start(void);
void gic_stop(void);
// How many processors it serves.
int gic_processors(void);
// Switches the calling processor's interface on, its SGIs and the timer's PPI enabled, every priority let through.
void gic_join(void);
// The calling processor's interface takes nothing any more.
void gic_leave(void);

void gic_set_enabled(u32 id, int on);
void gic_set_priority(u32 id, u8 priority);
// Sends an SPI to one processor.
void gic_set_target(u32 id, int processor);
// Puts it into the group whose interrupts nobody here takes.
void gic_set_other_group(u32 id);
// An input that counts by its level, or by its rising edge.
void gic_set_edge(u32 id, int edge);
void gic_set_pending(u32 id);

// Only priorities of a lower number than this come through to the calling processor.
void gic_set_mask(u8 priority);
// An end in two steps: the priority drops first, then the interrupt may come again.
void gic_split_end(int on);

// Takes what waits: its number in the lowest ten bits.
u32 gic_acknowledge(void);
// Ends what gic_acknowledge() gave.
void gic_end(u32 acknowledged);

// Whom an SGI goes to, if not to a processor by its number.
enum { TO_OTHERS = -1, TO_SELF = -2 };
void gic_send(u32 id, int to);
