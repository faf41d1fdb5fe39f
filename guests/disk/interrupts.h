// How the machine's interrupts come: apic/ and gic/ have each their own.
#pragma once
#include "../common/types.h"

// Where the board has its devices.
#if defined(__x86_64__)
#define VIRTIO_PLACES 0xfeb00000ull
#elif defined(__aarch64__)
#define VIRTIO_PLACES 0x0a000000ull
#endif

enum { PLACE_COUNT = 8, PLACE_SIZE = 0x200 };

// The device in this place calls virtio_interrupt() from now on. Interrupts are off.
void interrupts_enable(int place);
// Sleeps until an interrupt waits, which is taken before this returns.
void interrupts_wait(void);
