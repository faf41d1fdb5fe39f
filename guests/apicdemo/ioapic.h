// The I/O APIC's redirection table: Intel 82093AA datasheet, section 3.2.
#pragma once
#include "../common/types.h"

enum {
    UART_LINE = 4,
    IOAPIC_LEVEL = 0x8000,
    IOAPIC_MASKED = 0x10000,
};

// Writes a pin's entry: a vector with flags, and the APIC id that it goes to.
void ioapic_route(u32 pin, u32 entry, u32 destination);
