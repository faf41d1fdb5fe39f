// Touches memory as a debugger tells it: one access after the other, each on the processor and in the way that
// `touches` says. So what a watchpoint ought to report is known beforehand.

#include "../common/console.h"
#include "../common/types.h"
#include "../processors/apic.h"
#include "../processors/processors.h"

enum { MAX_TOUCHES = 2048, ARENA = 8 << 20 };

enum how { LOAD, STORE, ADD, LOCKED_ADD, COPY_FROM, FILL };

struct touch {
    u64 cpu;
    u64 how;     // enum how
    u64 address;
    u64 size;    // 1, 2, 4 or 8; for COPY_FROM and FILL any count of bytes
};

u8 arena[ARENA] __attribute__((aligned(4096)));
u8 scratch[4096] __attribute__((aligned(4096)));
struct touch touches[MAX_TOUCHES] __attribute__((aligned(4096)));
u64 touch_count;
volatile u64 turn;      // the number of the touch that is next
u64 locked_place;       // where every processor adds `locked_rounds` times, all at once; 0: nowhere
u64 locked_rounds;
u64 interrupts_wanted;  // how many interrupts the first processor sends itself, each on the stack in use
volatile u64 interrupts;
volatile u64 finished;

#define WITH_SIZE(TYPE)                                                                     \
    do {                                                                                    \
        volatile TYPE *place = (volatile TYPE *)touch->address;                             \
        switch ((enum how)touch->how) {                                                     \
        case LOAD: (void)*place; break;                                                     \
        case STORE: *place = (TYPE)0x5a5a5a5a5a5a5a5a; break;                               \
        case ADD: __asm__ volatile("add %1, %0" : "+m"(*place) : "r"((TYPE)1)); break;      \
        default: __asm__ volatile("lock add %1, %0" : "+m"(*place) : "r"((TYPE)1)); break;  \
        }                                                                                   \
    } while (0)

void do_touch(const struct touch *touch) {
    u64 count = touch->size;
    void *to = scratch, *from = (void *)touch->address;
    if (touch->how == COPY_FROM) {
        __asm__ volatile("rep movsb" : "+c"(count), "+D"(to), "+S"(from) : : "memory");
    } else if (touch->how == FILL) {
        __asm__ volatile("rep stosb" : "+c"(count), "+D"(from) : "a"(0x77) : "memory");
    } else {
        switch (touch->size) {
        case 1: WITH_SIZE(u8); break;
        case 2: WITH_SIZE(u16); break;
        case 4: WITH_SIZE(u32); break;
        default: WITH_SIZE(u64); break;
        }
    }
}

static void take_turns(u64 cpu) {
    u64 next;
    while ((next = turn) < touch_count) {
        if (touches[next].cpu == cpu) {
            do_touch(&touches[next]);
            turn = next + 1;
        } else {
            __asm__ volatile("pause");
        }
    }
    for (u64 i = 0; locked_place && i < locked_rounds; i++)
        __asm__ volatile("lock incq %0" : "+m"(*(u64 *)locked_place));
    __asm__ volatile("lock incq %0" : "+m"(finished));
}

// A gate of the interrupt table. Intel SDM volume 3, "64-bit mode IDT".
struct __attribute__((packed)) gate {
    u16 offset_low, selector, attributes, offset_middle;
    u32 offset_high, reserved;
};

struct __attribute__((packed)) table_pointer {
    u16 limit;
    u64 base;
};

static struct gate table[64] __attribute__((aligned(4096)));

__attribute__((interrupt)) void on_interrupt(void *frame) {
    (void)frame;
    interrupts++;
    apic_end_of_interrupt();
}

void interrupt_self(void) {
    enum { VECTOR = 0x30 };
    u64 handler = (u64)on_interrupt;
    u16 code;
    __asm__("mov %%cs, %0" : "=r"(code));
    table[VECTOR] = (struct gate){(u16)handler, code, 0x8e00, (u16)(handler >> 16), (u32)(handler >> 32), 0};
    struct table_pointer pointer = {.limit = sizeof table - 1, .base = (u64)table};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    apic_enable(0xff);
    for (u64 i = 0; i < interrupts_wanted; i++) {
        apic_send(APIC_SELF | APIC_FIXED | VECTOR, 0);
        __asm__ volatile("sti");
        while (interrupts <= i) __asm__ volatile("pause");
        __asm__ volatile("cli");
    }
}

void ap_main(int cpu) { take_turns((u64)cpu); }

int main(void) {
    u64 last = 0;
    for (u64 i = 0; i < touch_count; i++)
        if (touches[i].cpu > last) last = touches[i].cpu;
    if (last > 0) apic_start_others();
    while (arrived <= last) __asm__ volatile("pause");
    take_turns(0);
    if (interrupts_wanted) interrupt_self();
    while (finished <= last) __asm__ volatile("pause");

    print("touched ");
    print_number(turn);
    if (locked_place) {
        print(", counted ");
        print_number(*(u64 *)locked_place);
    }
    if (interrupts_wanted) {
        print(", interrupted ");
        print_number(interrupts);
    }
    print("\n");
    return 0;
}
