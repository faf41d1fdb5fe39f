#include "gic.h"
#include "machine.h"

static volatile u32 *at(u64 base, u32 offset) { return (volatile u32 *)(base + offset); }

u32 distributor_read(u32 offset) { return *at(DISTRIBUTOR, offset); }
void distributor_write(u32 offset, u32 value) { *at(DISTRIBUTOR, offset) = value; }
u32 interface_read(u32 offset) { return *at(INTERFACE, offset); }
void interface_write(u32 offset, u32 value) { *at(INTERFACE, offset) = value; }

static void write_byte(u32 offset, u8 value) { *(volatile u8 *)(DISTRIBUTOR + offset) = value; }

int gic_processors(void) { return (int)(distributor_read(GICD_TYPER) >> 5 & 7) + 1; }

// The targets of the banked interrupts are the reader itself.
int gic_own_number(void) {
    u32 self = distributor_read(GICD_ITARGETSR) & 0xff;
    int number = 0;
    while (self > 1) {
        self >>= 1;
        number++;
    }
    return number;
}

void gic_start(void) { distributor_write(GICD_CTLR, 1); }

void gic_join(void) {
    const u32 first_sixteen = 0xffff;
    distributor_write(GICD_ISENABLER, first_sixteen);
    for (u32 id = 0; id < 16; id++) gic_set_priority(id, 0xa0);
    gic_set_priority(TIMER, 0xa0);
    gic_set_enabled(TIMER, 1);
    interface_write(GICC_PMR, 0xff);
    interface_write(GICC_BPR, 0);
    interface_write(GICC_CTLR, GICC_ENABLE);
}

void gic_set_enabled(u32 id, int on) {
    distributor_write((on ? GICD_ISENABLER : GICD_ICENABLER) + id / 32 * 4, 1u << id % 32);
}

void gic_set_priority(u32 id, u8 priority) { write_byte(GICD_IPRIORITYR + id, priority); }
void gic_set_target(u32 id, u8 processors) { write_byte(GICD_ITARGETSR + id, processors); }

void gic_set_edge(u32 id, int edge) {
    u32 offset = GICD_ICFGR + id / 16 * 4, bit = 2u << id % 16 * 2;
    u32 value = distributor_read(offset);
    distributor_write(offset, edge ? value | bit : value & ~bit);
}

void gic_set_pending(u32 id) { distributor_write(GICD_ISPENDR + id / 32 * 4, 1u << id % 32); }

void gic_send(u32 id, u32 to) { distributor_write(GICD_SGIR, to | id); }
