// Counts interrupts, and does nothing else: the UART's line, and vectors that a debugger or a device sends. What it does
// between them is one of three things, which a vector chooses: runs, sleeps, or interrupts itself. For the tests that
// none is lost, and for timing.

#include "../common/idt.h"
#include "../common/ports.h"
#include "../common/power.h"
#include "../common/registers.h"
#include "../processors/apic.h"

enum {
    VECTOR_FIRST = 0x40, // of eight that are counted; the first is the UART's line too
    VECTOR_ITSELF = 0x47,
    VECTOR_RUN = 0x50, // these choose
    VECTOR_SLEEP,
    VECTOR_INTERRUPT_ITSELF,
    VECTOR_ANSWER, // from now on the handlers send a line feed
    VECTOR_END,
    UART_PIN = 4,
};

volatile u64 counts[8];
volatile u64 rounds; // of what is between interrupts
static volatile int choice = VECTOR_RUN, answers;

// An interrupt has arrived: a place for a breakpoint.
void counted(int which) {
    counts[which]++;
    if (answers) out8(UART, '\n');
    apic_end_of_interrupt();
}

#define COUNT(which) \
    __attribute__((interrupt)) static void on_##which(struct frame *frame) { \
        (void)frame; \
        counted(which); \
    }
COUNT(0) COUNT(1) COUNT(2) COUNT(3) COUNT(4) COUNT(5) COUNT(6) COUNT(7)

#define CHOOSE(vector) \
    __attribute__((interrupt)) static void on_##vector(struct frame *frame) { \
        (void)frame; \
        choice = vector; \
        apic_end_of_interrupt(); \
    }
CHOOSE(VECTOR_RUN) CHOOSE(VECTOR_SLEEP) CHOOSE(VECTOR_INTERRUPT_ITSELF)

__attribute__((interrupt)) static void on_answer(struct frame *frame) {
    (void)frame;
    answers = 1;
    apic_end_of_interrupt();
}

__attribute__((interrupt)) static void on_end(struct frame *frame) {
    (void)frame;
    power_off();
}

static void install_handlers(void) {
    static void (*const each[8])(struct frame *) = {on_0, on_1, on_2, on_3, on_4, on_5, on_6, on_7};
    for (int which = 0; which < 8; which++) idt_handle(VECTOR_FIRST + which, each[which]);
    idt_handle(VECTOR_RUN, on_VECTOR_RUN);
    idt_handle(VECTOR_SLEEP, on_VECTOR_SLEEP);
    idt_handle(VECTOR_INTERRUPT_ITSELF, on_VECTOR_INTERRUPT_ITSELF);
    idt_handle(VECTOR_ANSWER, on_answer);
    idt_handle(VECTOR_END, on_end);
    idt_load();
}

static void route_uart(void) {
    volatile u32 *const select = (volatile u32 *)0xfec00000ull, *const window = (volatile u32 *)0xfec00010ull;
    *select = 0x11 + 2 * UART_PIN;
    *window = 0;
    *select = 0x10 + 2 * UART_PIN;
    *window = VECTOR_FIRST;
}

void ready(void) {}

int main(void) {
    install_handlers();
    out8(0x21, 0xff); // the 8259 pair has the line too
    out8(0xa1, 0xff);
    apic_enable(0xff);
    apic_write(APIC_TASK_PRIORITY, 0);
    route_uart();
    __asm__ volatile("sti");
    ready();
    for (;; rounds++) {
        if (choice == VECTOR_SLEEP) __asm__ volatile("hlt");
        if (choice == VECTOR_INTERRUPT_ITSELF) apic_write(APIC_COMMAND, APIC_SELF | APIC_ASSERT | VECTOR_ITSELF);
    }
}

// Nobody starts a second processor.
void ap_main(int cpu) { (void)cpu; }
