// Text on the first serial port: polled output, 16550 reset settings, '\n' sent as it is.

#include "console.h"
#include "ports.h"

static void put(char character) {
    const u8 transmitter_empty = 0x20;
    while (!(in8(UART + 5) & transmitter_empty)) {}
    out8(UART, (u8)character);
}

void print(const char *text) {
    while (*text) put(*text++);
}

void print_number(u64 value) {
    if (value >= 10) print_number(value / 10);
    put((char)('0' + value % 10));
}
