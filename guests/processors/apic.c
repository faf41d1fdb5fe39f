// The local APIC, and what INIT and start-up IPIs need: Intel SDM volume 3, "Local APIC", "Extended xAPIC" and "MP
// initialization".

#include "apic.h"
#include "../common/registers.h"
#include "trampoline.h"

enum {
    APIC_BASE = 0x1b, // model-specific register
    X2APIC_ENABLE = 1 << 10,
    SENDING = 0x1000,
};

static int x2apic;

static volatile u32 *page(u32 offset) { return (volatile u32 *)(0xfee00000ull + offset); }

u32 apic_read(u32 offset) { return x2apic ? (u32)read_msr(0x800 + offset / 16) : *page(offset); }

void apic_write(u32 offset, u32 value) {
    if (x2apic) write_msr(0x800 + offset / 16, value);
    else *page(offset) = value;
}

void apic_send(u32 command, u32 destination) {
    if (x2apic) {
        write_msr(0x800 + APIC_COMMAND / 16, (u64)destination << 32 | APIC_ASSERT | command);
        return;
    }
    *page(APIC_COMMAND_HIGH) = destination << 24;
    *page(APIC_COMMAND) = APIC_ASSERT | command;
    for (int patience = 1000; (*page(APIC_COMMAND) & SENDING) && patience; patience--) pause(1);
}

void apic_end_of_interrupt(void) { apic_write(APIC_EOI, 0); }

void apic_enable(u8 spurious) {
    if (x2apic) write_msr(APIC_BASE, read_msr(APIC_BASE) | X2APIC_ENABLE);
    apic_write(APIC_SPURIOUS, 0x100 | spurious);
}

void apic_use_x2apic(void) { x2apic = 1; }

// Where nothing is, ones are read. CPUID does not know: KVM goes by the base register's enable bit.
static int is_there(void) {
    const u32 version = 0x030;
    return x2apic || ~*page(version);
}

// The board with a GICv2 starts the processor whose word is written, at that page.
static volatile u32 *starter(int number) { return (volatile u32 *)(0xfd030000ull) + number; }

void apic_start_others(void) {
    const int most = 8; // that a GICv2 serves
    place_trampoline();
    if (!is_there()) {
        for (int number = 1; number < most; number++) *starter(number) = TRAMPOLINE >> 12;
        return;
    }
    apic_enable(0xff);
    apic_send(APIC_ALL_BUT_SELF | APIC_INIT, 0);
    pause(1000); // real processors want 10 ms here, virtual ones none
    apic_send(APIC_ALL_BUT_SELF | APIC_STARTUP | TRAMPOLINE >> 12, 0);
}
