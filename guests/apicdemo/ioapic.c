// Two registers make the I/O APIC: one selects, one is the window.

#include "ioapic.h"

static volatile u32 *const select = (volatile u32 *)0xfec00000ull;
static volatile u32 *const window = (volatile u32 *)0xfec00010ull;

static void write(u32 index, u32 value) {
    *select = index;
    *window = value;
}

void ioapic_route(u32 pin, u32 entry, u32 destination) {
    const u32 table = 0x10;
    write(table + 2 * pin, IOAPIC_MASKED); // half an entry would be a wrong one
    write(table + 2 * pin + 1, destination << 24);
    write(table + 2 * pin, entry);
}
