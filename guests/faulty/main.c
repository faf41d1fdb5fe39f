// A guest that dies: a page fault with no handler, so a double fault, so a triple fault.

#include "../common/console.h"
#include "../common/types.h"

struct __attribute__((packed)) table_pointer {
    u16 limit;
    u64 base;
};

// 256 GiB: far beyond what the loader maps.
u64 unmapped = 0x4000000000;

// Every vector lies beyond the limit, so delivering one is itself a fault.
static void break_interrupt_table(void) {
    static const struct table_pointer nothing = {.limit = 0, .base = 0};
    __asm__ volatile("lidt %0" : : "m"(nothing));
}

u64 touch_unmapped(u64 address) {
    volatile u64 *there = (volatile u64 *)address;
    return *there;
}

int main(void) {
    print("about to fault\n");
    break_interrupt_table();
    touch_unmapped(unmapped);
    print("survived?\n");
    return 1;
}
