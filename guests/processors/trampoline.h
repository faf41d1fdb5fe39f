// The page below 1 MiB where application processors start in real mode. Shared by C and assembly.
#pragma once

#define TRAMPOLINE 0x60000

#ifndef __ASSEMBLER__
#include "../common/types.h"

// The code as linked, with two words to fill in.
extern u8 trampoline[], trampoline_end[];
extern u32 trampoline_cr3, trampoline_efer;

// Copies it to TRAMPOLINE and fills them in, for the calling processor's page tables.
void place_trampoline(void);
#endif
