// Accesses that stay inside the function that makes them, so that whoever made a mistake can be told by its address.
#pragma once
#include "../common/types.h"

#define HERE static inline __attribute__((always_inline))

enum {
    LOCAL_APIC = 0xfee00000u,
    IO_APIC = 0xfec00000u,
    MASTER = 0x20, // the 8259 pair: commands, and masks at the next port
    SLAVE = 0xa0,
};

HERE void poke(u32 address, u32 value) { *(volatile u32 *)(u64)address = value; }

HERE u32 peek(u32 address) { return *(volatile u32 *)(u64)address; }

HERE void poke8(u32 address, u8 value) { *(volatile u8 *)(u64)address = value; }

HERE void port_out(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

// Two bytes of instruction, which on_general_protection() skips.
HERE void msr_out(u32 number, u64 value) {
    __asm__ volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(number) : "memory");
}

HERE void msr_in(u32 number) {
    __asm__ volatile("rdmsr" : : "c"(number) : "eax", "edx", "memory");
}
