// Text on the PL011 of an arm64 machine: polled output, its reset settings, '\n' sent as it is.

#include "../common/console.h"

static volatile u32 *const uart = (volatile u32 *)0x09000000;

static void put(char character) {
    const u32 transmitter_full = 0x20;
    while (uart[0x18 / 4] & transmitter_full) {}
    uart[0] = (u32)(u8)character;
}

void print(const char *text) {
    while (*text) put(*text++);
}

void print_number(u64 value) {
    if (value >= 10) print_number(value / 10);
    put((char)('0' + value % 10));
}
