// A GICv2: Arm IHI 0048B, chapters 3 and 4. Each processor sees its own part of some registers, and its own CPU interface.

#include "../gic.h"
#include "../machine.h"

// Registers of the Distributor, by their offsets. Those of one bit or byte for each interrupt begin there.
enum {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IGROUPR = 0x080,
    GICD_ISENABLER = 0x100,
    GICD_ICENABLER = 0x180,
    GICD_ISPENDR = 0x200,
    GICD_IPRIORITYR = 0x400,
    GICD_ITARGETSR = 0x800,
    GICD_ICFGR = 0xc00,
    GICD_SGIR = 0xf00,
};

// Registers of the CPU interface.
enum {
    GICC_CTLR = 0x00,
    GICC_PMR = 0x04,
    GICC_BPR = 0x08,
    GICC_IAR = 0x0c,
    GICC_EOIR = 0x10,
    GICC_DIR = 0x1000,
};

enum {
    GICC_ENABLE = 1,
    GICC_SPLIT_END = 0x200, // GICC_EOIR only drops the priority, GICC_DIR ends
};

static volatile u32 *at(u64 base, u32 offset) { return (volatile u32 *)(base + offset); }

static u32 distributor_read(u32 offset) { return *at(DISTRIBUTOR, offset); }
static void distributor_write(u32 offset, u32 value) { *at(DISTRIBUTOR, offset) = value; }
static u32 interface_read(u32 offset) { return *at(INTERFACE, offset); }
static void interface_write(u32 offset, u32 value) { *at(INTERFACE, offset) = value; }

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
void gic_stop(void) { distributor_write(GICD_CTLR, 0); }

void gic_join(void) {
    const u32 first_sixteen = 0xffff;
    distributor_write(GICD_ISENABLER, first_sixteen);
    for (u32 id = 0; id < 16; id++) gic_set_priority(id, 0xa0);
    gic_set_priority(TIMER, 0xa0);
    gic_set_enabled(TIMER, 1);
    gic_set_mask(0xff);
    interface_write(GICC_BPR, 0);
    interface_write(GICC_CTLR, GICC_ENABLE);
}

void gic_leave(void) { interface_write(GICC_CTLR, 0); }

void gic_set_enabled(u32 id, int on) {
    distributor_write((on ? GICD_ISENABLER : GICD_ICENABLER) + id / 32 * 4, 1u << id % 32);
}

void gic_set_priority(u32 id, u8 priority) { write_byte(GICD_IPRIORITYR + id, priority); }
void gic_set_target(u32 id, int processor) { write_byte(GICD_ITARGETSR + id, (u8)(1u << processor)); }
void gic_set_other_group(u32 id) { distributor_write(GICD_IGROUPR + id / 32 * 4, 1u << id % 32); }

void gic_set_edge(u32 id, int edge) {
    u32 offset = GICD_ICFGR + id / 16 * 4, bit = 2u << id % 16 * 2;
    u32 value = distributor_read(offset);
    distributor_write(offset, edge ? value | bit : value & ~bit);
}

void gic_set_pending(u32 id) { distributor_write(GICD_ISPENDR + id / 32 * 4, 1u << id % 32); }

void gic_set_mask(u8 priority) { interface_write(GICC_PMR, priority); }
void gic_split_end(int on) { interface_write(GICC_CTLR, on ? GICC_ENABLE | GICC_SPLIT_END : GICC_ENABLE); }

u32 gic_acknowledge(void) { return interface_read(GICC_IAR); }

void gic_end(u32 acknowledged) {
    interface_write(GICC_EOIR, acknowledged);
    if (interface_read(GICC_CTLR) & GICC_SPLIT_END) interface_write(GICC_DIR, acknowledged);
}

void gic_send(u32 id, int to) {
    u32 whom = to == TO_OTHERS ? 1u << 24 : to == TO_SELF ? 2u << 24 : 1u << (16 + to);
    distributor_write(GICD_SGIR, whom | id);
}
