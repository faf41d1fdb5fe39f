// Finds its machine by the tables that firmware leaves on a PC, and checks each against what it names: ACPI and MP tables,
// BIOS data area, PM timer, PCI ports, fw_cfg, debug console, CRT controller. Ends by the power-off that the tables name.

#include "../common/console.h"
#include "../common/idt.h"
#include "../common/ports.h"
#include "tables.h"

static int failures;

static void check(const char *what, int holds) {
    print(what);
    print(holds ? ": ok\n" : ": WRONG\n");
    if (!holds) failures++;
}

static void check_devices(void) {
    u32 before = in32(fadt->pm_timer), after = before;
    for (int i = 0; i < 1000000 && after == before; i++) after = in32(fadt->pm_timer);
    check("the PM timer counts", after != before);
    check("SCI", fadt->sci == 9);

    out32(0xcf8, 0x80000000);
    check("PCI address", in32(0xcf8) == 0x80000000);
    check("PCI space is empty", in32(0xcfc) == 0xffffffff);

    check("debug console", in8(0xe9) == 0xe9 && in8(0x402) == 0xe9);
    out8(0x3d4, 0x0f);
    out8(0x3d5, 0x5a);
    check("CRT controller", in8(0x3d5) == 0x5a);

    out16(0x510, 0);
    int is_there = in8(0x511) == 'Q' && in8(0x511) == 'E' && in8(0x511) == 'M' && in8(0x511) == 'U';
    check("fw_cfg", is_there);
    out16(0x510, 5);
    u16 processors = in8(0x511);
    processors |= in8(0x511) << 8;
    check("processors of fw_cfg and MADT", processors == madt_processors);
    check("processors of the MP table and MADT", mp_processors == madt_processors);
    print("processors = ");
    print_number(processors);
    print("\n");
}

static volatile u64 ticks;

__attribute__((interrupt)) static void on_tick(struct frame *frame) {
    (void)frame;
    ticks++;
    *(volatile u32 *)0xfee000b0 = 0;
}

// The 8254's interrupt comes by the pin that the MADT names.
static void check_timer(void) {
    enum { VECTOR = 0x40, COUNT = 1193, SECONDS = 30 };
    volatile u32 *ioapic = (volatile u32 *)0xfec00000;
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    idt_handle(VECTOR, on_tick);
    idt_load();
    *(volatile u32 *)0xfee000f0 = 0x1ff;
    ioapic[0] = 0x11 + 2 * timer_pin;
    ioapic[4] = 0;
    ioapic[0] = 0x10 + 2 * timer_pin;
    ioapic[4] = VECTOR;
    out8(0x43, 0x34);
    out8(0x40, COUNT & 0xff);
    out8(0x40, COUNT >> 8);
    u32 began = in32(fadt->pm_timer);
    __asm__ volatile("sti");
    while (ticks < 3 && in32(fadt->pm_timer) - began < SECONDS * 3579545u) __asm__ volatile("pause");
    __asm__ volatile("cli");
    check("the 8254's interrupt", ticks >= 3);
}

int main(void) {
    check("root pointer", find_root());
    check("RSDT and XSDT", find_tables());
    if (!fadt) return 1;
    check("MADT", read_madt());
    check("MP table", read_mp());
    check("BIOS data area", bda(0x0e) == 0x9fc0 && bda(0x13) == 639 && bda(0) == UART);
    check_devices();
    check_timer();
    if (failures) return 1;
    print("off by the tables\n");
    out16(fadt->pm1_control, 1 << 13);
    return 1;
}
