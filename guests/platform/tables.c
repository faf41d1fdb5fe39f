#include "tables.h"

const struct fadt *fadt;
int madt_processors, mp_processors;
u32 timer_pin;

static const u8 *root;
static const struct table *madt;

static const u8 *at(u64 address) { return (const u8 *)address; }

static u32 word(const u8 *bytes) { return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (u32)bytes[3] << 24; }

static int same(const void *bytes, const char *text) {
    for (const char *b = bytes; *text; b++, text++)
        if (*b != *text) return 0;
    return 1;
}

static int adds_up(const void *bytes, u32 count) {
    u8 sum = 0;
    for (const u8 *b = bytes; count--; b++) sum += *b;
    return sum == 0;
}

// What begins with `signature` at a multiple of 16 in the area that kernels search.
static const u8 *search(const char *signature) {
    for (u64 address = 0xe0000; address < 0x100000; address += 16)
        if (same(at(address), signature)) return at(address);
    return 0;
}

int find_root(void) {
    root = search("RSD PTR ");
    return root && adds_up(root, 20) && adds_up(root, 36) && root[15] == 2;
}

static int note(u64 address) {
    const struct table *table = (const struct table *)at(address);
    if (!adds_up(table, table->length)) return 0;
    if (same(table->signature, "FACP")) fadt = (const struct fadt *)table;
    if (same(table->signature, "APIC")) madt = table;
    return 1;
}

int find_tables(void) {
    if (!root) return 0;
    const struct table *rsdt = (const struct table *)at(word(root + 16));
    const struct table *xsdt = (const struct table *)at(word(root + 24));
    if (!same(rsdt->signature, "RSDT") || !adds_up(rsdt, rsdt->length)) return 0;
    if (!same(xsdt->signature, "XSDT") || !adds_up(xsdt, xsdt->length)) return 0;
    u32 count = (rsdt->length - sizeof *rsdt) / 4;
    if (count != (xsdt->length - sizeof *xsdt) / 8) return 0;
    for (u32 i = 0; i < count; i++) {
        u32 address = word((const u8 *)(rsdt + 1) + 4 * i);
        if (address != word((const u8 *)(xsdt + 1) + 8 * i) || !note(address)) return 0;
    }
    if (!fadt || !madt) return 0;
    const struct table *dsdt = (const struct table *)at(fadt->dsdt);
    return same(dsdt->signature, "DSDT") && adds_up(dsdt, dsdt->length) && same(at(fadt->facs), "FACS");
}

int read_madt(void) {
    if (!madt) return 0;
    int controllers = 0;
    const u8 *entry = (const u8 *)(madt + 1) + 8, *end = (const u8 *)madt + madt->length;
    for (; entry < end; entry += entry[1]) {
        if (entry[0] == 0 && word(entry + 4) & 1) madt_processors++;
        if (entry[0] == 2 && entry[3] == 0) timer_pin = word(entry + 4);
        if (entry[0] == 1) controllers += word(entry + 4) == 0xfec00000;
    }
    return entry == end && controllers == 1 && word((const u8 *)(madt + 1)) == 0xfee00000;
}

int read_mp(void) {
    const u8 *pointer = search("_MP_");
    if (!pointer || !adds_up(pointer, 16)) return 0;
    const u8 *table = at(word(pointer + 4));
    u32 length = table[4] | table[5] << 8;
    if (!same(table, "PCMP") || !adds_up(table, length)) return 0;
    const u8 *entry = table + 44;
    for (; entry < table + length; entry += entry[0] == 0 ? 20 : 8)
        if (entry[0] == 0) mp_processors += entry[3] & 1;
    return entry == table + length;
}

u16 bda(u32 offset) {
    // Through a variable: clang takes a constant address in the first page for a null pointer.
    volatile u64 area = 0x400;
    return *(volatile u16 *)(area + offset);
}
