// A kernel with a user program: descriptor tables, a task state segment, pages of two kinds, system calls, and handlers
// that count what user mode did.

#include "../common/console.h"
#include "../common/power.h"
#include "../common/types.h"
#include "kernel.h"

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

// Intel SDM volume 3, "64-bit TSS": what is used of it is the stack for handlers.
struct __attribute__((packed)) task_state {
    u32 reserved;
    u64 stacks[3];
    u8 rest[76];
};

// What the processor pushes for a handler.
struct frame {
    u64 rip, cs, rflags, rsp, ss;
};

enum {
    KERNEL_CODE = 0x08,
    USER_DATA_SELECTOR = 0x1b,
    USER_CODE_SELECTOR = 0x23,
    TASK = 0x28,
    INTERRUPT_GATE = 0x8e00,
    USER_GATE = 0xee00,
    EFER = 0xc0000080,
    STAR = 0xc0000081,
    LSTAR = 0xc0000082,
    FMASK = 0xc0000084,
};

extern void system_call_entry(void);
extern char kernel_stack_top[], user_stack_top[], user_start[], user_end[];
_Noreturn void enter_user(u64 rip, u64 rsp, u64 code, u64 stack);

static struct gate interrupts[256];
static u64 segments[7] = {
    0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff,
};
static struct task_state task;
static u8 handler_stack[16 * 1024] __attribute__((aligned(16)));
static u64 level4[512] __attribute__((aligned(4096))), level3[512] __attribute__((aligned(4096)));
static u64 level2[512] __attribute__((aligned(4096))), level1[512] __attribute__((aligned(4096)));
static u64 lazy_frame[512] __attribute__((aligned(4096))) = {42};

volatile u64 breakpoints, debugs, calls, divides, faults, system_calls, sum;
// Where the last page fault was, and the flags that any handler found saved.
volatile u64 fault_address, saved_flags;

__attribute__((interrupt)) void on_debug(struct frame *frame) {
    (void)frame;
    debugs++;
}

__attribute__((interrupt)) void on_breakpoint(struct frame *frame) {
    (void)frame;
    breakpoints++;
}

__attribute__((interrupt)) void on_call(struct frame *frame) {
    saved_flags |= frame->rflags;
    calls++;
}

// A fault: the instruction is run again, unless RIP is moved behind it.
__attribute__((interrupt)) void on_divide(struct frame *frame) {
    const u64 length_of_div = 2;
    divides++;
    frame->rip += length_of_div;
}

static void map_lazy_page(u64 flags) {
    level1[LAZY_PAGE >> 12] = flags ? (u64)lazy_frame | flags : 0;
    __asm__ volatile("invlpg (%0)" : : "r"((u64)LAZY_PAGE) : "memory");
}

__attribute__((interrupt)) void on_page_fault(struct frame *frame, u64 code) {
    u64 address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    fault_address = address;
    faults++;
    if ((address & ~0xfffULL) == LAZY_PAGE) return map_lazy_page(7);
    print("page fault at ");
    print_number(frame->rip);
    print(", code ");
    print_number(code);
    print("\n");
    power_off();
}

static void report(const char *what, u64 count) {
    print(what);
    print_number(count);
    print("\n");
}

u64 on_system_call(u64 number, u64 argument) {
    system_calls++;
    switch (number) {
    case ADD_UP: return sum += argument;
    case FORGET: return map_lazy_page(0), 0;
    }
    report("system calls ", system_calls);
    report("calls ", calls);
    report("breakpoints ", breakpoints);
    report("debugs ", debugs);
    report("divides ", divides);
    report("faults ", faults);
    report("sum ", sum);
    power_off();
}

static void handle(int vector, void *handler, u16 attributes) {
    u64 address = (u64)handler;
    interrupts[vector] = (struct gate){
        .offset_low = (u16)address,
        .selector = KERNEL_CODE,
        .attributes = attributes,
        .offset_middle = (u16)(address >> 16),
        .offset_high = (u32)(address >> 32),
    };
}

// The first 2 MiB in small pages, so that the program's can be user pages; then the rest of the first GiB.
static void make_pages(void) {
    const u64 kernel = 3, user = 7, large = 0x80;
    level4[0] = (u64)level3 | user;
    level3[0] = (u64)level2 | user;
    level2[0] = (u64)level1 | user;
    for (u64 i = 1; i < 512; i++) level2[i] = i << 21 | kernel | large;
    for (u64 i = 0; i < 512; i++) {
        u64 page = i << 12;
        level1[i] = page | (page >= (u64)user_start && page < (u64)user_end ? user : kernel);
    }
    level1[LAZY_PAGE >> 12] = 0;
    __asm__ volatile("mov %0, %%cr3" : : "r"(level4) : "memory");
}

static void make_descriptors(void) {
    u64 base = (u64)&task;
    task.stacks[0] = (u64)handler_stack + sizeof handler_stack;
    segments[5] = (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56 | (u64)0x89 << 40 | (sizeof task - 1);
    segments[6] = base >> 32;
    const struct table_pointer pointer = {.limit = sizeof segments - 1, .base = (u64)segments};
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(KERNEL_CODE) : "rax", "memory");
    __asm__ volatile("mov %0, %%ss; mov %1, %%ds; mov %1, %%es" : : "r"(0x10), "r"(0));
    __asm__ volatile("ltr %w0" : : "r"(TASK));
}

static void make_gates(void) {
    handle(0, (void *)on_divide, INTERRUPT_GATE);
    handle(1, (void *)on_debug, INTERRUPT_GATE);
    handle(3, (void *)on_breakpoint, USER_GATE);
    handle(14, (void *)on_page_fault, INTERRUPT_GATE);
    handle(0x80, (void *)on_call, USER_GATE);
    // A user program that does what it must not ends the guest.
    const struct table_pointer pointer = {.limit = sizeof interrupts - 1, .base = (u64)interrupts};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static u64 read_register(u32 index) {
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (u64)high << 32 | low;
}

static void write_register(u32 index, u64 value) {
    __asm__ volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)));
}

static void make_system_calls(void) {
    const u64 enable = 1, trap_and_interrupt_flags = 0x300;
    write_register(EFER, read_register(EFER) | enable);
    write_register(STAR, (u64)KERNEL_CODE << 32 | (u64)0x13 << 48);
    write_register(FMASK, trap_and_interrupt_flags);
    write_register(LSTAR, (u64)system_call_entry);
}

void ready(void) { __asm__ volatile(""); }

int main(void) {
    make_pages();
    make_descriptors();
    make_gates();
    make_system_calls();
    ready();
    enter_user((u64)user_main, (u64)user_stack_top - 8, USER_CODE_SELECTOR, USER_DATA_SELECTOR);
}
