// Registers that C has no names for.
#pragma once
#include "types.h"

static inline u64 read_cr3(void) {
    u64 value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static inline u64 read_msr(u32 number) {
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (u64)high << 32 | low;
}

static inline void write_msr(u32 number, u64 value) {
    __asm__ volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(number) : "memory");
}

static inline u64 read_tsc(void) {
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

static inline void pause(int times) {
    while (times--) __asm__ volatile("pause");
}
