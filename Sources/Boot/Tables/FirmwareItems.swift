// What PC firmware is given by fw_cfg beside the machine's numbers: ACPI tables with the script that puts them in place, and
// the pieces of a kernel. Formats and keys are those that QEMU has for its own firmware (QEMU's docs/specs/fw_cfg.rst, and
// the comments of its bios-linker-loader).

import Primitives

/// Items of fw_cfg.
package struct FirmwareItems: Equatable, Sendable {
    package struct File: Equatable, Sendable {
        package let name: String
        package let bytes: [UInt8]
    }

    /// By number.
    package var items: [UInt16: [UInt8]] = [:]
    package var files: [File] = []

    /// The ACPI tables of `machine`, where it has any.
    package init(_ machine: PCMachine? = nil) {
        guard let machine, machine.hasAPICs else { return }
        var area = TableArea(start: 0)
        let places = ACPITables(machine: machine).placeTables(in: &area)
        var script = LoaderScript()
        script.allocate(LoaderScript.root, alignment: 16, .low)
        script.allocate(LoaderScript.tables, alignment: 64, .high)
        for (table, pointers) in places.pointers {
            for pointer in pointers {
                script.addPointer(in: LoaderScript.tables, at: UInt32(table.lowerBound) + pointer.offset, pointer.size)
            }
            script.addChecksum(in: LoaderScript.tables, at: UInt32(table.lowerBound) + 9, of: table)
        }
        script.addPointer(in: LoaderScript.root, at: 16, 4)
        script.addPointer(in: LoaderScript.root, at: 24, 8)
        script.addChecksum(in: LoaderScript.root, at: 8, of: 0..<20)
        script.addChecksum(in: LoaderScript.root, at: 32, of: 0..<36)
        files = [
            File(name: LoaderScript.root, bytes: ACPITables.rootPointer(rsdt: places.rsdt, xsdt: places.xsdt)),
            File(name: LoaderScript.tables, bytes: area.bytes), File(name: "etc/table-loader", bytes: script.bytes),
        ]
    }
}

/// Commands that have firmware put files into memory and change addresses in them, which begin at 0, to where they are.
private struct LoaderScript {
    static let root = "etc/acpi/rsdp"
    static let tables = "etc/acpi/tables"
    private static let commandSize = 128
    private static let nameSize = 56

    enum Zone: UInt8 {
        case high = 1
        /// Where old kernels look for a root pointer.
        case low = 2
    }

    private(set) var bytes: [UInt8] = []

    mutating func allocate(_ file: String, alignment: UInt32, _ zone: Zone) {
        add(1, name(file) + ACPITables.bytes(alignment) + [zone.rawValue])
    }

    /// The number of `size` bytes at `offset` is a place in `tables`.
    mutating func addPointer(in file: String, at offset: UInt32, _ size: UInt8) {
        add(2, name(file) + name(Self.tables) + ACPITables.bytes(offset) + [size])
    }

    mutating func addChecksum(in file: String, at offset: UInt32, of range: Range<UInt64>) {
        let (start, count) = (UInt32(range.lowerBound), UInt32(range.upperBound - range.lowerBound))
        add(3, name(file) + ACPITables.bytes(offset) + ACPITables.bytes(start) + ACPITables.bytes(count))
    }

    private mutating func add(_ command: UInt32, _ arguments: [UInt8]) {
        let entry = ACPITables.bytes(command) + arguments
        bytes += entry + [UInt8](repeating: 0, count: Self.commandSize - entry.count)
    }

    private func name(_ file: String) -> [UInt8] {
        Array(file.utf8) + [UInt8](repeating: 0, count: Self.nameSize - file.utf8.count)
    }
}
