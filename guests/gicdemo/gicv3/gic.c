// A GICv3 with one security state and affinity routing: Arm IHI 0069, chapters 4 and 12. Interrupts are in group 1. What is
// private is in each processor's Redistributor, and its CPU interface is system registers.

#include "../gic.h"
#include "../machine.h"

enum { REDISTRIBUTORS = 0x080a0000, REDISTRIBUTOR_SIZE = 0x20000, PRIVATE = 0x10000 };

// Registers of the Distributor by their offsets; those of one bit or byte for each interrupt are in PRIVATE too.
enum {
    GICD_CTLR = 0x0000,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICD_IGROUPR = 0x0080,
    GICD_ISENABLER = 0x0100,
    GICD_ICENABLER = 0x0180,
    GICD_ISPENDR = 0x0200,
    GICD_IPRIORITYR = 0x0400,
    GICD_ICFGR = 0x0c00,
    GICD_IROUTER = 0x6000,
};

enum {
    ENABLE_GROUP_ONE = 1 << 1,
    AFFINITY_ROUTING = 1 << 4,
    WRITE_PENDING = 1u << 31,
    LAST = 1 << 4, // of GICR_TYPER
    PROCESSOR_SLEEP = 1 << 1,
    CHILDREN_ASLEEP = 1 << 2,
    SPLIT_END = 1 << 1, // ICC_EOIR1_EL1 only drops the priority, ICC_DIR_EL1 ends
};

#define set_register(name, value) __asm__ volatile("msr " name ", %0; isb" : : "r"((u64)(value)) : "memory")

static u64 affinity(void) {
    u64 own;
    __asm__ volatile("mrs %0, mpidr_el1" : "=r"(own));
    return own & 0xff00ffffff;
}

static volatile u32 *at(u64 base, u32 offset) { return (volatile u32 *)(base + offset); }

static u64 redistributor(int number) { return REDISTRIBUTORS + (u64)number * REDISTRIBUTOR_SIZE; }
static u64 own_redistributor(void) { return redistributor(gic_own_number()); }

// Where the registers of interrupt `id` are.
static u64 home(u32 id) { return id < 32 ? own_redistributor() + PRIVATE : DISTRIBUTOR; }

// What was written has effect: an interrupt that it makes pending comes next.
static void wait(void) {
    __asm__ volatile("dsb sy" : : : "memory");
    while (*at(DISTRIBUTOR, GICD_CTLR) & WRITE_PENDING) {}
}

int gic_own_number(void) { return (int)(affinity() & 0xff); }

int gic_processors(void) {
    int number = 0;
    while (!(*at(redistributor(number), GICR_TYPER) & LAST)) number++;
    return number + 1;
}

void gic_start(void) {
    *at(DISTRIBUTOR, GICD_CTLR) = AFFINITY_ROUTING | ENABLE_GROUP_ONE;
    wait();
}

void gic_stop(void) {
    *at(DISTRIBUTOR, GICD_CTLR) = AFFINITY_ROUTING;
    wait();
}

void gic_join(void) {
    u64 own = own_redistributor();
    *at(own, GICR_WAKER) &= ~(u32)PROCESSOR_SLEEP;
    while (*at(own, GICR_WAKER) & CHILDREN_ASLEEP) {}
    *at(own + PRIVATE, GICD_IGROUPR) = 0xffffffff;
    *at(own + PRIVATE, GICD_ISENABLER) = 0xffff;
    for (u32 id = 0; id < 16; id++) gic_set_priority(id, 0xa0);
    gic_set_priority(TIMER, 0xa0);
    gic_set_enabled(TIMER, 1);
    set_register("s3_0_c12_c12_5", 1); // ICC_SRE_EL1
    gic_set_mask(0xff);
    set_register("s3_0_c12_c12_3", 0); // ICC_BPR1_EL1
    gic_split_end(0);
    set_register("s3_0_c12_c12_7", 1); // ICC_IGRPEN1_EL1
}

void gic_leave(void) { set_register("s3_0_c12_c12_7", 0); }

void gic_set_enabled(u32 id, int on) {
    *at(home(id), (on ? GICD_ISENABLER : GICD_ICENABLER) + id / 32 * 4) = 1u << id % 32;
    wait();
}

void gic_set_priority(u32 id, u8 priority) { *(volatile u8 *)(home(id) + GICD_IPRIORITYR + id) = priority; }

// Into group 1 as well, which only the private ones have been put in so far.
void gic_set_target(u32 id, int processor) {
    *at(DISTRIBUTOR, GICD_IGROUPR + id / 32 * 4) |= 1u << id % 32;
    *(volatile u64 *)(DISTRIBUTOR + GICD_IROUTER + 8 * id) = (affinity() & ~0xffull) | (u64)processor;
}

void gic_set_other_group(u32 id) { *at(DISTRIBUTOR, GICD_IGROUPR + id / 32 * 4) &= ~(1u << id % 32); }

void gic_set_edge(u32 id, int edge) {
    volatile u32 *configuration = at(home(id), GICD_ICFGR + id / 16 * 4);
    u32 bit = 2u << id % 16 * 2;
    *configuration = edge ? *configuration | bit : *configuration & ~bit;
}

void gic_set_pending(u32 id) {
    *at(home(id), GICD_ISPENDR + id / 32 * 4) = 1u << id % 32;
    wait();
}

void gic_set_mask(u8 priority) { set_register("s3_0_c4_c6_0", priority); }                // ICC_PMR_EL1
void gic_split_end(int on) { set_register("s3_0_c12_c12_4", on ? (u64)SPLIT_END : 0ull); } // ICC_CTLR_EL1

u32 gic_acknowledge(void) {
    u64 acknowledged;
    __asm__ volatile("mrs %0, s3_0_c12_c12_0; dsb sy" : "=r"(acknowledged) : : "memory"); // ICC_IAR1_EL1
    return (u32)acknowledged;
}

void gic_end(u32 acknowledged) {
    u64 control;
    __asm__ volatile("mrs %0, s3_0_c12_c12_4" : "=r"(control));
    set_register("s3_0_c12_c12_1", acknowledged);                              // ICC_EOIR1_EL1
    if (control & SPLIT_END) set_register("s3_0_c12_c11_1", acknowledged); // ICC_DIR_EL1
}

// ICC_SGI1R_EL1: affinity 1 to 3, and of affinity 0 a set of sixteen.
void gic_send(u32 id, int to) {
    u64 own = affinity(), number = to == TO_SELF ? own & 0xff : (u64)to;
    u64 cluster = (own >> 32 & 0xff) << 48 | (own >> 16 & 0xff) << 32 | (own >> 8 & 0xff) << 16;
    __asm__ volatile("dsb sy" : : : "memory");
    set_register("s3_0_c12_c11_5", (u64)id << 24 | (to == TO_OTHERS ? 1ull << 40 : cluster | 1ull << number));
}
