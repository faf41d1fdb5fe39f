// A driver of the GICv2: Arm IHI 0048B, chapters 3 and 4. Each processor sees its own part of some registers, and its own
// CPU interface.
#pragma once
#include "../common/types.h"

// Registers of the Distributor, by their offsets. Those of one bit or byte for each interrupt begin there.
enum {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IGROUPR = 0x080,
    GICD_ISENABLER = 0x100,
    GICD_ICENABLER = 0x180,
    GICD_ISPENDR = 0x200,
    GICD_ICPENDR = 0x280,
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
    GICC_RPR = 0x14,
    GICC_DIR = 0x1000,
};

enum {
    GICC_ENABLE = 1,
    GICC_SPLIT_END = 0x200, // GICC_EOIR only drops the priority, GICC_DIR ends
    NO_INTERRUPT = 1020,    // and above: none is there for this processor
};

u32 distributor_read(u32 offset);
void distributor_write(u32 offset, u32 value);
u32 interface_read(u32 offset);
void interface_write(u32 offset, u32 value);

// Processors that the Distributor knows.
int gic_processors(void);
// The number of the processor that calls, as the Distributor has it.
int gic_own_number(void);
// Switches the Distributor on.
void gic_start(void);
// Switches the calling processor's interface on, its SGIs and the timer's PPI enabled, every priority let through.
void gic_join(void);

void gic_set_enabled(u32 id, int on);
void gic_set_priority(u32 id, u8 priority);
void gic_set_target(u32 id, u8 processors);
// An input that counts by its level, or by its rising edge.
void gic_set_edge(u32 id, int edge);
void gic_set_pending(u32 id);

// Whom an SGI goes to besides those of a list.
enum { SGI_TO_OTHERS = 1 << 24, SGI_TO_SELF = 2 << 24 };
static inline u32 sgi_to(int processor) { return 1u << (16 + processor); }
void gic_send(u32 id, u32 to);
