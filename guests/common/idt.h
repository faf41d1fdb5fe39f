// An interrupt table of the guest's own. Intel SDM volume 3, "64-bit mode IDT".
#pragma once
#include "types.h"

// What the processor pushes for a handler.
struct frame {
    u64 rip, cs, rflags, rsp, ss;
};

// Makes `handler` (attribute interrupt) take `vector`, with interrupts off while it runs.
void idt_handle(int vector, void (*handler)(struct frame *));
// Makes the calling processor use the table.
void idt_load(void);
