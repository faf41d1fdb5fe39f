// A driver of virtio devices on their memory-mapped transport: virtio 1.2, sections 2.7 and 4.2. One queue, one request at
// a time.
#pragma once
#include "../common/types.h"

enum { VIRTIO_BLOCK = 2, VIRTIO_ENTROPY = 4 };

enum {
    VIRTIO_DEVICE_ID = 0x008,
    VIRTIO_STATUS = 0x070,
    VIRTIO_INTERRUPT_STATUS = 0x060,
    VIRTIO_CONFIGURATION = 0x100,
};

enum { NEEDS_RESET = 0x40 };

// A piece of a request: for the device to read, or to write.
struct piece {
    void *start;
    u32 length;
    int is_written;
};

// The kind of device in a place of the board; 0 where there is none.
u32 virtio_kind(int place);
u32 virtio_read(int place, u32 offset);
// Resets the device, agrees on features and sets its queue up; 0 where it does not agree.
int virtio_start(int place, u64 *features);
// Hands a request over and waits for the interrupt of its end: how much the device says that it wrote, or -1 where it needs
// a reset. `indirect`: by a table of descriptors.
int virtio_request(int place, const struct piece *pieces, int count, int indirect);
// The same with a chain that leads back to its beginning.
int virtio_endless(int place);
// For the handler of the device's interrupt.
void virtio_interrupt(void);

extern volatile u32 virtio_interrupts;
