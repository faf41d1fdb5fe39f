// ACPI tables (ACPI specification 6.5, chapter 5): RSDP, RSDT and XSDT, FADT, FACS, MADT, and the DSDT, which is in
// DifferentiatedTable.swift. They describe what PCBoard has. Leaves out: SMBIOS, HPET, MCFG, SRAT.

import Primitives

/// The ACPI tables of a machine with APICs.
struct ACPITables {
    let machine: PCMachine

    /// Adds all tables to `area`, the root pointer first.
    func place(in area: inout TableArea) {
        let pointer = area.add(Self.rootPointer(rsdt: 0, xsdt: 0))
        let places = placeTables(in: &area)
        area.replace(at: pointer, with: Self.rootPointer(rsdt: places.rsdt, xsdt: places.xsdt))
    }

    /// A number in a table that is a table's address.
    typealias Pointer = (offset: UInt32, size: UInt8)

    /// Where the lists of tables are, and each table that has addresses in it.
    struct Places {
        let rsdt: UInt64
        let xsdt: UInt64
        let pointers: [(table: Range<UInt64>, pointers: [Pointer])]
    }

    /// Adds the tables that the root pointer leads to.
    func placeTables(in area: inout TableArea) -> Places {
        let control = area.add(firmwareControl, alignment: 64)
        let differentiated = area.add(DifferentiatedTable(machine: machine).bytes)
        let fixed = fixed(control: control, differentiated: differentiated)
        let tables = [area.add(fixed), area.add(interrupts)]
        let (short, long) = (
            Self.table("RSDT", revision: 1, tables.flatMap { Self.bytes(UInt32($0)) }),
            Self.table("XSDT", revision: 1, tables.flatMap { Self.bytes($0) })
        )
        let (rsdt, xsdt) = (area.add(short), area.add(long))
        func list(_ size: UInt8) -> [Pointer] { tables.indices.map { (36 + UInt32($0) * UInt32(size), size) } }
        return Places(
            rsdt: rsdt, xsdt: xsdt,
            pointers: [
                (tables[0]..<tables[0] + UInt64(fixed.count), [(36, 4), (40, 4), (132, 8), (140, 8)]),
                (rsdt..<rsdt + UInt64(short.count), list(4)), (xsdt..<xsdt + UInt64(long.count), list(8)),
            ])
    }

    /// `body` behind the header that every table has (5.2.6).
    static func table(_ signature: String, revision: UInt8, _ body: [UInt8]) -> [UInt8] {
        var bytes = Array(signature.utf8) + Self.bytes(UInt32(36 + body.count)) + [revision, 0]
        bytes += Array("STUBVMSTUBVPC \u{1}\0\0\0STUB\u{1}\0\0\0".utf8) + body
        bytes.storeChecksum(at: 9)
        return bytes
    }

    /// RSDP (5.2.5.3).
    static func rootPointer(rsdt: UInt64, xsdt: UInt64) -> [UInt8] {
        var pointer = Array("RSD PTR \0STUBVM\u{2}".utf8) + bytes(UInt32(rsdt)) + bytes(UInt32(36))
        pointer += bytes(xsdt) + [0, 0, 0, 0]
        pointer.storeChecksum(at: 8, of: 0..<20)
        pointer.storeChecksum(at: 32)
        return pointer
    }

    /// FACS (5.2.10).
    private var firmwareControl: [UInt8] {
        var bytes = Array("FACS".utf8) + Self.bytes(UInt32(64)) + [UInt8](repeating: 0, count: 56)
        bytes[32] = 2  // version
        return bytes
    }

    /// FADT (5.2.9) of ACPI 4.0. ACPI mode is always on: there is no SMI_CMD.
    private func fixed(control: UInt64, differentiated: UInt64) -> [UInt8] {
        var body = [UInt8](repeating: 0, count: 244 - 36)
        let (events, timer) = (PCBoard.power.ports[0].first, PCBoard.power.ports[1].first)
        let reset = PCBoard.reset.ports[1].first
        let fields: [(offset: Int, value: UInt64, count: Int)] = [
            (36, control, 4), (40, differentiated, 4), (46, UInt64(PCBoard.Line.sci), 2),
            (56, UInt64(events), 4), (64, UInt64(events) + 4, 4), (76, UInt64(timer), 4),
            (88, 4, 1), (89, 2, 1), (91, 4, 1),
            // No C2 and no C3, by latencies that are too long.
            (96, 0xFFFF, 2), (98, 0xFFFF, 2),
            // The century in CMOS memory; there are ISA devices and a keyboard controller.
            (108, 0x32, 1), (109, 0x3, 2),
            (112, Self.fixedFlags, 4), (128, 6, 1),
            (132, control, 8), (140, differentiated, 8),
        ]
        for field in fields { body.store(field.value, at: field.offset - 36, count: field.count) }
        let registers: [(offset: Int, port: UInt16, bits: UInt8)] = [
            (116, reset, 8), (148, events, 32), (172, events + 4, 16), (208, timer, 32),
        ]
        for register in registers {
            let address: [UInt8] = [1, register.bits, 0, Self.accessSize(register.bits)]
            let offset = register.offset - 36
            body.replaceSubrange(offset..<offset + 12, with: address + Self.bytes(UInt64(register.port)))
        }
        return Self.table("FACP", revision: 4, body)
    }

    /// WBINVD, PROC_C1, SLP_BUTTON (there is none), FIX_RTC (the clock wakes nobody), TMR_VAL_EXT (32 bits), RESET_REG_SUP.
    private static let fixedFlags: UInt64 = 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10

    /// The event block is two registers of 16 bits.
    private static func accessSize(_ bits: UInt8) -> UInt8 { bits == 8 ? 1 : bits == 16 ? 2 : 0 }

    /// MADT (5.2.12): local APICs, the I/O APIC, how the ISA interrupts lead to its pins, and the NMI at LINT1.
    private var interrupts: [UInt8] {
        // There are 8259s, too.
        var body = Self.bytes(UInt32(PCBoard.localAPIC.rawValue)) + Self.bytes(UInt32(1))
        for id in 0..<UInt8(machine.processorCount) { body += [0, 8, id, id] + Self.bytes(UInt32(1)) }
        body += [1, 12, 0, 0] + Self.bytes(UInt32(PCBoard.ioAPIC.rawValue)) + Self.bytes(UInt32(0))
        body += [2, 10, 0, 0] + Self.bytes(PCBoard.timerPin) + Self.bytes(UInt16(0))
        // Active high, level-triggered.
        for line in machine.levels { body += [2, 10, 0, UInt8(line)] + Self.bytes(line) + Self.bytes(UInt16(0xD)) }
        body += [4, 6, 0xFF] + Self.bytes(UInt16(0)) + [1]
        return Self.table("APIC", revision: 4, body)
    }

    static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        return bytes
    }
}
