// The local APIC of the processor that calls: Intel SDM volume 3, "Advanced Programmable Interrupt Controller". In xAPIC
// mode, or in x2APIC mode after apic_use_x2apic(). Leaves out logical destinations and thermal and performance entries.
#pragma once
#include "../common/types.h"

// Registers, as offsets in the xAPIC page; x2APIC numbers them 0x800 + offset / 16.
enum {
    APIC_ID = 0x020,
    APIC_TASK_PRIORITY = 0x080,
    APIC_EOI = 0x0b0,
    APIC_SPURIOUS = 0x0f0, // bit 8 enables the APIC
    APIC_IN_SERVICE = 0x100,
    APIC_ERROR = 0x280,
    APIC_COMMAND = 0x300,  // low half: writing it sends
    APIC_COMMAND_HIGH = 0x310,
    APIC_TIMER = 0x320,
    APIC_LINT0 = 0x350,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

// Parts of an interrupt command, and of a local vector table entry.
enum {
    APIC_FIXED = 0x000,
    APIC_NMI = 0x400,
    APIC_INIT = 0x500,
    APIC_STARTUP = 0x600,  // the low byte is the page to start at
    APIC_ASSERT = 0x4000,
    APIC_SELF = 0x40000,
    APIC_ALL = 0x80000,
    APIC_ALL_BUT_SELF = 0xc0000,
    APIC_MASKED = 0x10000,
    APIC_PERIODIC = 0x20000,
    APIC_DEADLINE = 0x40000,
};

u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);

// Sends a command to the processor with this APIC id; with a shorthand the id means nothing.
void apic_send(u32 command, u32 destination);
void apic_end_of_interrupt(void);
// Switches this processor's APIC on, interrupts that nobody wants going to `spurious`.
void apic_enable(u8 spurious);
// Every call from now on, on every processor, uses x2APIC mode; each processor switches itself by apic_enable().
void apic_use_x2apic(void);

// Sends INIT and start-up to every processor but this one, or has a board without APICs start them; each arrives in ap_main() in its own time.
void apic_start_others(void);
