// The tables that a PC's firmware leaves for the kernel, and where: the BIOS data area at 0x400 and the extended one (IBM
// PS/2 and PC BIOS Interface Technical Reference), and from 0xF_0000 on, which every memory map has as reserved, the ACPI
// tables and the MP table. A guest that starts in real mode gets an interrupt table whose entries lead to one stub.

import Primitives

/// The tables of one machine, as bytes at fixed addresses.
struct PlatformTables {
    /// Bytes and where they go.
    typealias Piece = (address: UInt64, bytes: [UInt8])

    /// Where the ACPI and MP tables begin.
    static let start: UInt64 = 0xF_0000
    /// The processor's interrupt table in real mode.
    private static let interruptTable: UInt64 = 0
    private static let dataArea: UInt64 = 0x400

    let machine: PCMachine

    /// The BIOS data area (what kernels and boot loaders look at) and the first byte of the extended one, its size in KiB.
    var dataAreas: [Piece] {
        var bytes = [UInt8](repeating: 0, count: 0x100)
        let fields: [(offset: Int, value: UInt64, count: Int)] = [
            (0x00, UInt64(PCBoard.com1.ports[0].first), 2),
            // The extended data area's segment.
            (0x0E, MachineMemory.lowMemoryEnd >> 4, 2),
            // Equipment: an FPU, a display of 80 columns, one serial port.
            (0x10, 0x0222, 2),
            // KiB of memory below it.
            (0x13, MachineMemory.lowMemoryEnd / 1024, 2),
            // Video mode 3: columns, bytes of a page, CRT controller, rows less one, lines of a character.
            (0x49, 3, 1), (0x4A, 80, 2), (0x4C, 0x1000, 2), (0x63, UInt64(PCBoard.display.ports[0].first), 2),
            (0x84, 24, 1), (0x85, 16, 2),
        ]
        for field in fields { bytes.store(field.value, at: field.offset, count: field.count) }
        return [(Self.dataArea, bytes), (MachineMemory.lowMemoryEnd, [1])]
    }

    /// The ACPI tables, the root pointer first, then the MP table.
    var systemTables: Piece {
        var area = TableArea(start: Self.start)
        ACPITables(machine: machine).place(in: &area)
        MultiprocessorTable(machine: machine).place(in: &area)
        precondition(
            Self.start + UInt64(area.bytes.count) <= PCBoard.biosStub.rawValue, "the tables reach into the BIOS stub")
        return (Self.start, area.bytes)
    }

    /// An interrupt table for real mode, and the stub: OUT to the port of BIOS calls, IRET.
    var interruptStubs: [Piece] {
        let stub = PCBoard.biosStub.rawValue
        var table: [UInt8] = []
        for number in 0..<256 as Range<UInt64> {
            let segment = UInt64(PCBoard.biosStubSegment) + number
            table.append(littleEndian: UInt16(stub - segment << 4))
            table.append(littleEndian: UInt16(segment))
        }
        return [
            (Self.interruptTable, table), (stub, [0xE6, UInt8(PCBoard.biosCall.ports[0].first), 0xCF]),
        ]
    }
}

/// Tables side by side, built from `start` on.
struct TableArea {
    let start: UInt64
    private(set) var bytes: [UInt8] = []

    init(start: UInt64) { self.start = start }

    /// Adds `table` at the next multiple of `alignment`: its address.
    @discardableResult
    mutating func add(_ table: [UInt8], alignment: Int = 16) -> UInt64 {
        let offset = bytes.count.roundedUp(to: alignment)
        bytes += [UInt8](repeating: 0, count: offset - bytes.count) + table
        return start + UInt64(offset)
    }

    /// Puts `table` over the bytes at `address`, which were added before.
    mutating func replace(at address: UInt64, with table: [UInt8]) {
        let offset = Int(address - start)
        bytes.replaceSubrange(offset..<offset + table.count, with: table)
    }
}

extension [UInt8] {
    /// Makes the byte at `offset` such that all bytes of `range`, or of all, add up to 0 modulo 256.
    mutating func storeChecksum(at offset: Int, of range: Range<Int>? = nil) {
        self[offset] = 0
        self[offset] = 0 &- self[range ?? indices].reduce(0, &+)
    }
}

extension Layout {
    /// Places the tables of `machine` where the image leaves room for them: where the ACPI root pointer is, if it is
    /// anywhere. `mode` is the one that the image starts in.
    mutating func placePlatform(_ machine: PCMachine?, for mode: CPUMode) -> PhysicalAddress? {
        guard let machine else { return nil }
        let tables = PlatformTables(machine: machine)
        var pieces = tables.dataAreas
        if mode == .real { pieces += tables.interruptStubs }
        for piece in pieces { _ = placeIfFree(piece) }
        guard machine.hasAPICs else { return nil }
        return placeIfFree(tables.systemTables)
    }

    private mutating func placeIfFree(_ piece: PlatformTables.Piece) -> PhysicalAddress? {
        let range = piece.address..<piece.address + UInt64(piece.bytes.count)
        guard isFree(range) else { return nil }
        place(piece.bytes, at: PhysicalAddress(piece.address))
        reserve(range)
        return PhysicalAddress(piece.address)
    }
}
