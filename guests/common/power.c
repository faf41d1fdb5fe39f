// Soft-off: sleep type 0 (what QEMU's firmware calls S5) with SLP_EN in ACPI's PM1a control register.

#include "power.h"
#include "ports.h"

_Noreturn void power_off(void) {
    const u16 sleep_enable = 0x2000;
    out16(POWER, sleep_enable);
    for (;;) __asm__ volatile("cli; hlt");
}
