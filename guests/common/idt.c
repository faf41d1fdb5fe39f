// One table of interrupt gates for every processor.

#include "idt.h"

struct __attribute__((packed)) gate {
    u16 offset_low;
    u16 selector;
    u16 attributes;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};

struct __attribute__((packed)) table_pointer {
    u16 limit;
    u64 base;
};

enum { PRESENT_INTERRUPT_GATE = 0x8e00 };

static struct gate table[256];

void idt_handle(int vector, void (*handler)(struct frame *)) {
    u64 address = (u64)handler;
    u16 code;
    __asm__("mov %%cs, %0" : "=r"(code));
    table[vector] = (struct gate){
        .offset_low = (u16)address,
        .selector = code,
        .attributes = PRESENT_INTERRUPT_GATE,
        .offset_middle = (u16)(address >> 16),
        .offset_high = (u32)(address >> 32),
    };
}

void idt_load(void) {
    const struct table_pointer pointer = {.limit = sizeof table - 1, .base = (u64)table};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}
