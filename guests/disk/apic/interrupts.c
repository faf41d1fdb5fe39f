// A PC's: a level at a pin of the I/O APIC.

#include "../interrupts.h"
#include "../virtio.h"
#include "../../common/idt.h"
#include "../../common/ports.h"
#include "../../processors/apic.h"
#include "../../processors/processors.h"

enum { VECTOR = 0x50, SPURIOUS = 0xff, LEVEL = 0x8000 };

static const u32 pins[PLACE_COUNT] = {5, 10, 11, 12, 14, 15, 6, 3};
static volatile u32 *const ioapic = (volatile u32 *)0xfec00000ull;

__attribute__((interrupt)) static void on_interrupt(struct frame *frame) {
    (void)frame;
    virtio_interrupt();
    apic_end_of_interrupt();
}

void interrupts_enable(int place) {
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    idt_handle(VECTOR, on_interrupt);
    idt_load();
    apic_enable(SPURIOUS);
    ioapic[0] = 0x11 + 2 * pins[place];
    ioapic[4] = apic_read(APIC_ID);
    ioapic[0] = 0x10 + 2 * pins[place];
    ioapic[4] = VECTOR | LEVEL;
}

void interrupts_wait(void) { __asm__ volatile("sti; hlt; cli"); }

void ap_main(int cpu) { (void)cpu; }
