#include "virtio.h"
#include "interrupts.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_PAGE = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_PAGE = 0x024,
    QUEUE_SELECT = 0x030,
    QUEUE_MAXIMUM = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_ACKNOWLEDGE = 0x064,
    QUEUE_DESCRIPTORS = 0x080,
    QUEUE_AVAILABLE = 0x090,
    QUEUE_USED = 0x0a0,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };
enum { SIZE = 8 };

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

static struct descriptor descriptors[SIZE] __attribute__((aligned(16)));
static struct descriptor table[SIZE] __attribute__((aligned(16)));
static volatile struct {
    u16 flags, index, ring[SIZE];
} available __attribute__((aligned(2)));
static volatile struct {
    u16 flags, index;
    struct {
        u32 head, length;
    } ring[SIZE];
} used __attribute__((aligned(4)));

volatile u32 virtio_interrupts;
static int current;

static volatile u32 *at(int place, u32 offset) {
    return (volatile u32 *)(VIRTIO_PLACES + (u64)place * PLACE_SIZE + offset);
}

u32 virtio_read(int place, u32 offset) { return *at(place, offset); }
static void write(int place, u32 offset, u32 value) { *at(place, offset) = value; }

static void write_address(int place, u32 offset, volatile void *address) {
    write(place, offset, (u32)(u64)address);
    write(place, offset + 4, (u32)((u64)address >> 32));
}

u32 virtio_kind(int place) {
    if (virtio_read(place, MAGIC) != 0x74726976 || virtio_read(place, VERSION) != 2) return 0;
    return virtio_read(place, VIRTIO_DEVICE_ID);
}

int virtio_start(int place, u64 *features) {
    write(place, VIRTIO_STATUS, 0);
    write(place, VIRTIO_STATUS, ACKNOWLEDGE);
    write(place, VIRTIO_STATUS, ACKNOWLEDGE | DRIVER);
    *features = 0;
    for (u32 page = 0; page < 2; page++) {
        write(place, DEVICE_FEATURES_PAGE, page);
        u32 part = virtio_read(place, DEVICE_FEATURES);
        write(place, DRIVER_FEATURES_PAGE, page);
        write(place, DRIVER_FEATURES, part);
        *features |= (u64)part << 32 * page;
    }
    write(place, VIRTIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    if (!(virtio_read(place, VIRTIO_STATUS) & FEATURES_OK)) return 0;

    write(place, QUEUE_SELECT, 0);
    if (virtio_read(place, QUEUE_MAXIMUM) < SIZE) return 0;
    available.index = used.index = 0;
    write(place, QUEUE_SIZE, SIZE);
    write_address(place, QUEUE_DESCRIPTORS, descriptors);
    write_address(place, QUEUE_AVAILABLE, &available);
    write_address(place, QUEUE_USED, &used);
    write(place, QUEUE_READY, 1);
    interrupts_enable(place);
    write(place, VIRTIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    return virtio_read(place, QUEUE_READY) == 1;
}

void virtio_interrupt(void) {
    virtio_interrupts++;
    write(current, INTERRUPT_ACKNOWLEDGE, virtio_read(current, VIRTIO_INTERRUPT_STATUS));
}

static int send(int place) {
    u16 before = used.index;
    u32 count = virtio_interrupts;
    current = place;
    available.ring[available.index % SIZE] = 0;
    __sync_synchronize();
    available.index++;
    __sync_synchronize();
    write(place, QUEUE_NOTIFY, 0);
    while (virtio_interrupts == count) interrupts_wait();
    if (virtio_read(place, VIRTIO_STATUS) & NEEDS_RESET || used.index == before) return -1;
    return (int)used.ring[before % SIZE].length;
}

int virtio_request(int place, const struct piece *pieces, int count, int indirect) {
    struct descriptor *chain = indirect ? table : descriptors;
    for (int i = 0; i < count; i++) {
        chain[i].address = (u64)pieces[i].start;
        chain[i].length = pieces[i].length;
        chain[i].flags = (u16)((pieces[i].is_written ? WRITE : 0) | (i + 1 < count ? NEXT : 0));
        chain[i].next = (u16)(i + 1);
    }
    if (indirect) {
        descriptors[0].address = (u64)table;
        descriptors[0].length = (u32)count * sizeof table[0];
        descriptors[0].flags = INDIRECT;
    }
    return send(place);
}

int virtio_endless(int place) {
    descriptors[0].address = (u64)table;
    descriptors[0].length = 16;
    descriptors[0].flags = NEXT;
    descriptors[0].next = 0;
    return send(place);
}
