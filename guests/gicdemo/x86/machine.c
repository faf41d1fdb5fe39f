// stubvisor's board for x86 guests (--irqchip gicv2): the GIC's IRQ output is the processor's interrupt input, vector 32.

#include "../machine.h"
#include "../../common/idt.h"
#include "../../common/ports.h"
#include "../../processors/processors.h"
#include "../../processors/trampoline.h"

enum {
    VECTOR_IRQ = 32,
    TIMER_VALUE = 0x38, // ticks from now, signed
    TIMER_CONTROL = 0x3c,
    UART_ENABLE = 1,
    UART_IDENTIFICATION = 2,
    UART_MODEM_CONTROL = 4,
};

// The page of each processor's timer, and the one that starts them.
static volatile u32 *timer(u32 offset) { return (volatile u32 *)(0xfd020000ull + offset); }
static volatile u32 *starter(int number) { return (volatile u32 *)(0xfd030000ull) + number; }

__attribute__((interrupt)) void on_irq(struct frame *frame) {
    (void)frame;
    take_interrupt();
}

void machine_start(void) { idt_handle(VECTOR_IRQ, on_irq); }
void machine_join(void) { idt_load(); }

void ap_main(int number) { other_main(number); }

void machine_start_processor(int number) {
    place_trampoline();
    *starter(number) = TRAMPOLINE >> 12;
    while (arrived == (u32)number) relax();
}

void interrupts_on(void) { __asm__ volatile("sti"); }
void interrupts_off(void) { __asm__ volatile("cli"); }
void sleep(void) { __asm__ volatile("sti; hlt; cli"); }
void relax(void) { __asm__ volatile("pause"); }

void timer_set(u32 ticks) {
    *timer(TIMER_VALUE) = ticks;
    *timer(TIMER_CONTROL) = 1;
}
void timer_off(void) { *timer(TIMER_CONTROL) = 0; }

// Enabled, its interrupt is there at once: the transmitter is empty. Reading the identification takes it back.
void uart_start(char first) {
    const u8 transmitter_empty = 2, out2 = 8;
    out8(UART, (u8)first);
    out8(UART + UART_MODEM_CONTROL, out2); // gates the line
    out8(UART + UART_ENABLE, transmitter_empty);
}
void uart_next(char character) {
    in8(UART + UART_IDENTIFICATION);
    out8(UART, (u8)character);
}
void uart_stop(void) { out8(UART + UART_ENABLE, 0); }
