// Puts the code where application processors start.

#include "trampoline.h"
#include "../common/registers.h"

static u64 word(const u32 *linked) { return TRAMPOLINE + ((u64)linked - (u64)trampoline); }

void place_trampoline(void) {
    const u32 efer = 0xc0000080, long_mode_active = 1 << 10; // that bit is the processor's to set, not ours
    u8 *to = (u8 *)(u64)TRAMPOLINE;
    for (u8 *from = trampoline; from < trampoline_end;) *to++ = *from++;
    *(u32 *)word(&trampoline_cr3) = (u32)read_cr3();
    *(u32 *)word(&trampoline_efer) = (u32)read_msr(efer) & ~long_mode_active;
}
