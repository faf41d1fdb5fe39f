// The page below 1 MiB where application processors start in real mode. Shared by C and assembly.
#pragma once

#define TRAMPOLINE 0x60000

#ifndef __ASSEMBLER__
#include "../common/types.h"

// The code as linked; apic.c copies it to TRAMPOLINE and fills in the two words there.
extern u8 trampoline[], trampoline_end[];
extern u32 trampoline_cr3, trampoline_efer;

static inline u64 trampoline_word(const u32 *linked) { return TRAMPOLINE + ((u64)linked - (u64)trampoline); }
#endif
