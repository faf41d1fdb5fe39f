// The reasons for which an interrupt does not arrive: Intel SDM volume 3, "Handling interrupts", and the 82093AA datasheet.

#include "situations.h"
#include "../common/idt.h"
#include "../common/registers.h"
#include "../processors/apic.h"
#include "ioapic.h"
#include "vectors.h"

enum {
    COUNTING = 1,       // none at all: the line's interrupts are taken and counted
    PIN_MASKED,
    APIC_DISABLED,
    TASK_PRIORITY,
    IN_SERVICE,
    INTERRUPTS_OFF,
    NO_DESTINATION,
    LEVEL_NOT_LOWERED,  // taken and ended once, the line still high: it comes again and again
    VECTOR_TOO_LOW,
    REMOTE_IRR_STUCK,   // taken, never ended
    PROCESSOR_HALTED,   // for a processor that waits for its start-up message
};

volatile int situation;
volatile u64 line_hits;

void in_situation(void) {}

// Takes the line's interrupt and does not end it.
__attribute__((interrupt)) static void on_uart_without_end(struct frame *frame) {
    (void)frame;
    line_hits++;
}

static void stay(void) {
    in_situation();
    for (;;) pause(1);
}

__attribute__((interrupt)) static void on_middle_staying(struct frame *frame) {
    (void)frame;
    __asm__ volatile("sti");
    stay();
}

_Noreturn void arrange_situation(void) {
    u32 self = apic_read(APIC_ID) >> 24;
    ioapic_route(UART_LINE, VECTOR_UART, self);
    switch (situation) {
    case PIN_MASKED: ioapic_route(UART_LINE, IOAPIC_MASKED | VECTOR_UART, self); break;
    case APIC_DISABLED: apic_write(APIC_SPURIOUS, VECTOR_SPURIOUS); break;
    case TASK_PRIORITY: apic_write(APIC_TASK_PRIORITY, 0xf0); break;
    case IN_SERVICE:
        idt_handle(VECTOR_MIDDLE, on_middle_staying);
        apic_send(APIC_SELF | APIC_FIXED | VECTOR_MIDDLE, 0);
        break;
    case INTERRUPTS_OFF: __asm__ volatile("cli"); break;
    case NO_DESTINATION: ioapic_route(UART_LINE, VECTOR_UART, 0x0e); break;
    case LEVEL_NOT_LOWERED: ioapic_route(UART_LINE, IOAPIC_LEVEL | VECTOR_UART, self); break;
    case VECTOR_TOO_LOW: ioapic_route(UART_LINE, 0x0f, self); break;
    case REMOTE_IRR_STUCK:
        idt_handle(VECTOR_UART, on_uart_without_end);
        ioapic_route(UART_LINE, IOAPIC_LEVEL | VECTOR_UART, self);
        break;
    case PROCESSOR_HALTED:
        apic_send(APIC_INIT, self + 1);
        ioapic_route(UART_LINE, VECTOR_UART, self + 1);
        break;
    }
    for (;;) stay();
}
