// The tables of a PC's firmware: ACPI specification 6.5, chapter 5; MultiProcessor Specification 1.4, chapter 4.
#pragma once
#include "../common/types.h"

struct __attribute__((packed)) table {
    char signature[4];
    u32 length;
    u8 revision, checksum;
    char oem[10];
    u8 rest[16];
};

struct __attribute__((packed)) fadt {
    struct table header;
    u32 facs, dsdt;
    u8 model, profile;
    u16 sci;
    u32 smi_command;
    u8 commands[4];
    u32 pm1_event, pm1b_event, pm1_control, pm1b_control, pm2_control, pm_timer;
};

extern const struct fadt *fadt;
extern int madt_processors, mp_processors;
// The I/O APIC's pin that ISA interrupt 0, the 8254's, leads to by the MADT.
extern u32 timer_pin;

// Each finds its tables and checks their sums: 0 where something is not as it must be.
int find_root(void);
int find_tables(void);
int read_madt(void);
int read_mp(void);
// A word of the BIOS data area.
u16 bda(u32 offset);
