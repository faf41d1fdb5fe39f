// The local APIC in xAPIC mode, as far as INIT and start-up IPIs need it: Intel SDM volume 3, "Local APIC" and
// "MP initialization". Leaves out x2APIC, timers and everything received.

#include "apic.h"
#include "../common/types.h"
#include "trampoline.h"

enum {
    SPURIOUS = 0x0f0,      // bit 8 enables the APIC
    ICR = 0x300,           // low half: writing it sends
    ALL_BUT_SELF = 0xc0000,
    ASSERT = 0x4000,
    SENDING = 0x1000,
    INIT = 0x500,
    STARTUP = 0x600,       // the low byte is the page to start at
};

static volatile u32 *apic(u32 offset) { return (volatile u32 *)(0xfee00000ull + offset); }

static void pause(int times) {
    while (times--) __asm__ volatile("pause");
}

static void broadcast(u32 message) {
    *apic(ICR) = ALL_BUT_SELF | ASSERT | message;
    for (int patience = 1000; (*apic(ICR) & SENDING) && patience; patience--) pause(1);
}

static u64 read_cr3(void) {
    u64 value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static u32 read_efer(void) {
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
    return low;
}

void apic_start_others(void) {
    const u32 long_mode_active = 1 << 10; // the processor's to set, not ours
    u8 *page = (u8 *)(u64)TRAMPOLINE;
    for (u8 *from = trampoline; from < trampoline_end;) *page++ = *from++;
    *(u32 *)trampoline_word(&trampoline_cr3) = (u32)read_cr3();
    *(u32 *)trampoline_word(&trampoline_efer) = read_efer() & ~long_mode_active;

    *apic(SPURIOUS) |= 0x100;
    broadcast(INIT);
    pause(1000); // real processors want 10 ms here, virtual ones none
    broadcast(STARTUP | TRAMPOLINE >> 12);
}
