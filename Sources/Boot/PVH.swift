// PVH, the Xen project's direct boot: docs/misc/pvh.pandoc and include/public/arch-x86/hvm/start_info.h of Xen.
// Version 1 of the start info, which has the memory map. Leaves out: ACPI tables (rsdp_paddr is zero).

import Primitives

extension ELF {
    /// Loads the segments and starts at the note's `entry` in protected mode, the start info in EBX, without a stack.
    func loadPVH(entry: UInt64, options: LoadOptions, into memory: MachineMemory) throws(BootError) -> BootImage {
        let segments = try segments(in: memory)
        try Self.check(physicalEntry: entry, in: segments)
        guard entry <= UInt64(UInt32.max) else { throw .entryOutOfReach(entry: entry, .protected) }
        var layout = Layout(memory: memory)
        place(segments, in: &layout)
        let information = try PVHStartInfo(options: options, memory: memory).place(in: &layout)
        var start = try StartState.protected(entry: entry, layout: &layout)
        start.rbx = information.rawValue
        let summary =
            "PVH \(kind), \(Self.summary(of: segments)), starts at \(hexadecimal(entry)) in protected mode"
        return BootImage(format: .pvh, placements: layout.placements, start: start, summary: summary)
    }
}

/// `struct hvm_start_info` with everything it points to.
struct PVHStartInfo {
    let options: LoadOptions
    let memory: MachineMemory

    private static let magic: UInt32 = 0x336E_C578
    private static let version: UInt32 = 1

    /// Places the structure, the command line, the memory map and, on a page border above the kernel, the initrd.
    func place(in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        var modules: (count: UInt32, address: PhysicalAddress) = (0, PhysicalAddress(0))
        if let initrd = options.initrd {
            let start = try layout.allocateAndPlace(initrd, alignment: 0x1000, in: .high, for: "initrd")
            var entry: [UInt8] = []
            // Address, size, command line, reserved.
            for value in [start.rawValue, UInt64(initrd.count), 0, 0] { entry.append(littleEndian: value) }
            modules = (1, try layout.allocateAndPlace(entry, for: "module list"))
        }
        let commandLine = try layout.placeString(options.commandLine, for: "kernel command line")
        let map = memory.map
        let mapAddress = try layout.allocateAndPlace(bytes(of: map), for: "memory map")

        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: Self.version)
        bytes.append(littleEndian: UInt32(0))  // flags
        bytes.append(littleEndian: modules.count)
        bytes.append(littleEndian: modules.address.rawValue)
        bytes.append(littleEndian: commandLine.rawValue)
        bytes.append(littleEndian: UInt64(0))  // rsdp_paddr
        bytes.append(littleEndian: mapAddress.rawValue)
        bytes.append(littleEndian: UInt32(map.count))
        bytes.append(littleEndian: UInt32(0))  // reserved
        return try layout.allocateAndPlace(bytes, for: "PVH start info")
    }

    /// `struct hvm_memmap_table_entry`s: address, size, type, reserved. The types are those of E820.
    private func bytes(of map: [MachineMemory.MapEntry]) -> [UInt8] {
        var bytes: [UInt8] = []
        for entry in map {
            bytes.append(littleEndian: entry.range.lowerBound.rawValue)
            bytes.append(littleEndian: entry.size)
            bytes.append(littleEndian: entry.kind.rawValue)
            bytes.append(littleEndian: UInt32(0))
        }
        return bytes
    }
}
