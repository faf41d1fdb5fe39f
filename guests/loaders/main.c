// Prints what a boot loader has handed over, by multiboot 1 or 2, on the serial port, and greets on the text screen.

#include "../common/ports.h"

static void put(char c) { out8(UART, c); }

static void print(const char *text) {
    while (*text) put(*text++);
}

static void print_number(u32 value) {
    if (value >= 10) print_number(value / 10);
    put('0' + value % 10);
}

static u32 word(u32 address) { return *(volatile u32 *)address; }

static void line(const char *what, u32 value) {
    print(what);
    print_number(value);
    put('\n');
}

static void module(u32 start, u32 end, const char *text) {
    print("module \"");
    print(text);
    print("\": ");
    for (u32 address = start; address < end; address++) put(*(volatile char *)address);
    put('\n');
}

static void text(const char *what, u32 address) {
    print(what);
    print((const char *)address);
    put('\n');
}

// Multiboot Specification 0.6.96, section 3.3.
static void read_information(u32 info) {
    u32 flags = word(info);
    if (flags & 1) line("upper memory: ", word(info + 8));
    if (flags & 1 << 2) text("command line: ", word(info + 16));
    if (flags & 1 << 3)
        for (u32 i = 0, entry = word(info + 24); i < word(info + 20); i++, entry += 16)
            module(word(entry), word(entry + 4), (const char *)word(entry + 8));
    if (flags & 1 << 5) line("sections: ", word(info + 28));
    if (flags & 1 << 12) line("screen: ", word(info + 88) == 0xb8000 ? word(info + 100) : 0);
}

// Multiboot2 Specification 2.0, section 3.6.
static void read_tags(u32 info) {
    for (u32 tag = info + 8; word(tag); tag += (word(tag + 4) + 7) & ~7u) {
        switch (word(tag)) {
        case 1: text("command line: ", tag + 8); break;
        case 3: module(word(tag + 8), word(tag + 12), (const char *)tag + 16); break;
        case 4: line("upper memory: ", word(tag + 12)); break;
        case 8: line("screen: ", word(tag + 8) == 0xb8000 ? word(tag + 20) : 0); break;
        case 9: line("sections: ", word(tag + 8)); break;
        case 15: print(*(volatile char *)(tag + 8) == 'R' ? "ACPI\n" : "no ACPI\n"); break;
        }
    }
}

// Text at the top left, the cursor behind it.
static void greet(const char *text) {
    volatile u16 *screen = (volatile u16 *)0xb8000;
    u16 place = 0;
    for (u32 i = 0; i < 80 * 25; i++) screen[i] = 0x0720;
    while (*text) screen[place++] = 0x0700 | *text++;
    out8(0x3d4, 0x0e);
    out8(0x3d5, place >> 8);
    out8(0x3d4, 0x0f);
    out8(0x3d5, place);
}

void main(u32 magic, u32 info) {
    if (magic == 0x2badb002) {
        print("multiboot 1\n");
        read_information(info);
    } else if (magic == 0x36d76289) {
        print("multiboot 2\n");
        read_tags(info);
    } else {
        print("no boot loader\n");
    }
    greet("hello on the screen");
}
