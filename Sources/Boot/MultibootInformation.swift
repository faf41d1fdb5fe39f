// What a multiboot kernel finds at EBX: Multiboot Specification version 0.6.96, section 3.3.
// Leaves out: boot device, kernel symbols, drives, ROM configuration table, APM, VBE and framebuffer.

import Primitives

/// The boot information structure with everything it points to.
struct MultibootInformation {
    let options: LoadOptions
    let memory: MachineMemory

    /// The structure's size with all its optional fields.
    private static let size = 116
    private static let loaderName = "stubvisor"

    private enum Flag {
        static let memory: UInt32 = 1 << 0
        static let commandLine: UInt32 = 1 << 2
        static let modules: UInt32 = 1 << 3
        static let memoryMap: UInt32 = 1 << 6
        static let loaderName: UInt32 = 1 << 9
    }

    /// Places the structure, the strings, the memory map and, on a page border above the kernel, the initrd.
    func place(in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        var modules: (count: UInt32, address: PhysicalAddress) = (0, PhysicalAddress(0))
        if let initrd = options.initrd { modules = (1, try placeModule(initrd, in: &layout)) }
        let commandLine = try layout.placeString(options.commandLine, for: "kernel command line")
        let name = try layout.placeString(Self.loaderName, for: "boot loader name")
        let map = mapBytes
        let mapAddress = try layout.allocateAndPlace(map, for: "memory map")

        let flags =
            Flag.memory | Flag.commandLine | Flag.memoryMap | Flag.loaderName
            | (modules.count > 0 ? Flag.modules : 0)
        var bytes = [UInt8](repeating: 0, count: Self.size)
        let fields: [(offset: Int, value: UInt64)] = [
            (0, UInt64(flags)),
            (4, MachineMemory.lowMemoryEnd / 1024),
            (8, (memory.endBelow4GiB - MachineMemory.highMemoryStart) / 1024),
            (16, commandLine.rawValue),
            (20, UInt64(modules.count)), (24, modules.address.rawValue),
            (44, UInt64(map.count)), (48, mapAddress.rawValue),
            (64, name.rawValue),
        ]
        for field in fields { bytes.store(UInt32(field.value), at: field.offset, count: 4) }
        return try layout.allocateAndPlace(bytes, for: "multiboot information")
    }

    /// Places a module and its one-entry list; gives the list's address.
    private func placeModule(_ module: [UInt8], in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        let start = try layout.allocateAndPlace(module, alignment: 0x1000, in: .high, for: "initrd")
        let name = try layout.placeString("initrd", for: "module name")
        var entry: [UInt8] = []
        for value in [start.rawValue, start.rawValue + UInt64(module.count), name.rawValue, 0] {
            entry.append(littleEndian: UInt32(value))
        }
        return try layout.allocateAndPlace(entry, for: "module list")
    }

    /// The memory map: each entry's own size (without that field), base, length, kind.
    private var mapBytes: [UInt8] {
        var bytes: [UInt8] = []
        for entry in memory.map {
            bytes.append(littleEndian: UInt32(20))
            bytes.append(littleEndian: entry.range.lowerBound.rawValue)
            bytes.append(littleEndian: entry.size)
            bytes.append(littleEndian: entry.kind.rawValue)
        }
        return bytes
    }
}

extension Layout {
    /// Places `text` with the zero byte that ends strings in C.
    mutating func placeString(_ text: String, for purpose: String) throws(BootError) -> PhysicalAddress {
        try allocateAndPlace(Array(text.utf8) + [0], for: purpose)
    }
}
