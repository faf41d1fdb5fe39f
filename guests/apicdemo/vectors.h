// Who gets which vector; a higher one interrupts a lower one's handler when their upper digits differ.
#pragma once

enum {
    VECTOR_NMI = 2,
    VECTOR_LOW = 0x41,
    VECTOR_UART = 0x44,
    VECTOR_MESSAGE = 0x50,
    VECTOR_BROADCAST = 0x51,
    VECTOR_HELD = 0x52,
    VECTOR_MIDDLE = 0x60,
    VECTOR_TICK = 0x70,
    VECTOR_SHOT = 0x71,
    VECTOR_DEADLINE = 0x72,
    VECTOR_HIGH = 0x80,
    VECTOR_SPURIOUS = 0xff,
};
