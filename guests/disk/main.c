// Drives the virtio devices that it finds: reads, writes and names of disks, random numbers; each request ends by an
// interrupt. On a disk it prints the first line of sector 0, and leaves a line in sector 1.

#include "../common/console.h"
#include "virtio.h"
#include "interrupts.h"

enum { READ = 0, WRITE = 1, FLUSH = 4, IDENTIFY = 8 };
enum { OK = 0, FAILED = 1, UNSUPPORTED = 2, SECTOR = 512 };
enum { READ_ONLY = 5 };

static int failures;
static struct {
    u32 kind, reserved;
    u64 sector;
} header;
static char sectors[2][SECTOR];
static volatile u8 status;

static void check(const char *what, int holds) {
    print("  ");
    print(what);
    print(holds ? ": ok\n" : ": WRONG\n");
    if (!holds) failures++;
}

// Hands a request over in as many pieces as it can be cut into; its status, or -1.
int request(int place, u32 kind, u64 sector, void *data, u32 length, int indirect) {
    header.kind = kind;
    header.sector = sector;
    status = 0xff;
    int is_read = kind == READ || kind == IDENTIFY;
    struct piece pieces[] = {
        {&header, 8, 0},
        {(char *)&header + 8, 8, 0},
        {data, length / 2, is_read},
        {(char *)data + length / 2, length - length / 2, is_read},
        {(void *)&status, 1, 1},
    };
    int written = virtio_request(place, pieces, 5, indirect);
    if (written < 0) return -1;
    if (is_read && status == OK && written != (int)length + 1) return -1;
    return status;
}

static int is_line(const char *text, const char *expected) {
    while (*expected && *text == *expected) text++, expected++;
    return *expected == 0;
}

static void print_line(const char *text, int limit) {
    char line[64];
    int length = 0;
    while (length < limit && length < 63 && text[length] >= ' ' && text[length] <= '~') {
        line[length] = text[length];
        length++;
    }
    line[length] = 0;
    print(line);
    print("\n");
}

void try_disk(int place) {
    static const char left[] = "left by the guest\n";
    u64 features, capacity;
    print("disk\n");
    check("features and queue", virtio_start(place, &features));
    capacity = virtio_read(place, VIRTIO_CONFIGURATION) | (u64)virtio_read(place, VIRTIO_CONFIGURATION + 4) << 32;
    int is_read_only = features >> READ_ONLY & 1;
    print("  sectors = ");
    print_number(capacity);
    print(is_read_only ? ", read-only\n" : "\n");

    check("name", request(place, IDENTIFY, 0, sectors[0], 20, 0) == OK);
    print("  name: ");
    print_line(sectors[0], 20);
    check("read", request(place, READ, 0, sectors[0], SECTOR, 0) == OK);
    print("  sector 0: ");
    print_line(sectors[0], SECTOR);
    check("read by a table", request(place, READ, 0, sectors[1], SECTOR, 1) == OK);
    int same = 1;
    for (int i = 0; i < SECTOR; i++) same &= sectors[0][i] == sectors[1][i];
    check("both are the same", same);

    for (int i = 0; i < SECTOR; i++) sectors[0][i] = i < (int)sizeof left - 1 ? left[i] : 0;
    int result = request(place, WRITE, 1, sectors[0], SECTOR, 0);
    check("write", result == (is_read_only ? FAILED : OK));
    check("flush", request(place, FLUSH, 0, sectors[0], 0, 0) == OK);
    if (!is_read_only) {
        check("read what was written", request(place, READ, 1, sectors[1], SECTOR, 0) == OK && is_line(sectors[1], left));
    }
    check("read behind the end", request(place, READ, capacity, sectors[1], SECTOR, 0) == FAILED);
    check("read across the end", request(place, READ, capacity - 1, sectors, 2 * SECTOR, 0) == FAILED);
    check("read of half a sector", request(place, READ, 0, sectors[1], SECTOR / 2, 0) == FAILED);
    check("what there is not", request(place, 99, 0, sectors[1], SECTOR, 0) == UNSUPPORTED);
    check("a chain without end", virtio_endless(place) == -1 && virtio_read(place, VIRTIO_STATUS) & NEEDS_RESET);
    check("reset", virtio_start(place, &features) && request(place, READ, 0, sectors[1], SECTOR, 0) == OK);
}

void try_entropy(int place) {
    u64 features;
    static u64 numbers[4];
    print("entropy\n");
    check("features and queue", virtio_start(place, &features));
    struct piece piece = {numbers, sizeof numbers, 1};
    check("read", virtio_request(place, &piece, 1, 0) == sizeof numbers);
    check("numbers", numbers[0] && numbers[3] && numbers[0] != numbers[1]);
}

int main(void) {
    int found = 0;
    for (int place = 0; place < PLACE_COUNT; place++) {
        u32 kind = virtio_kind(place);
        if (kind == VIRTIO_BLOCK) try_disk(place);
        if (kind == VIRTIO_ENTROPY) try_entropy(place);
        if (kind) found++;
    }
    print("devices = ");
    print_number((u64)found);
    print("\ninterrupts = ");
    print_number(virtio_interrupts);
    print("\n");
    return failures != 0;
}
