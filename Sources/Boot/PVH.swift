// PVH, the Xen project's direct boot: docs/misc/pvh.pandoc and include/public/arch-x86/hvm/start_info.h of Xen.
// Version 1 of the start info, which has the memory map.

import Primitives

extension ELF {
    /// Loads the segments and starts at the note's `entry` in protected mode, the start info in EBX, without a stack.
    func loadPVH(entry: UInt64, options: LoadOptions, into memory: MachineMemory) throws(BootError) -> BootImage {
        let segments = try segments(in: memory)
        try Self.check(physicalEntry: entry, in: segments)
        guard entry <= UInt64(UInt32.max) else { throw .entryOutOfReach(entry: entry, .protected) }
        var layout = Layout(memory: memory)
        place(segments, in: &layout)
        let rootPointer = layout.placePlatform(options.machine, for: .protected)
        let information = try PVHStartInfo(options: options, memory: memory, rootPointer: rootPointer)
            .place(in: &layout)
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
    /// The ACPI tables', where there are any.
    let rootPointer: PhysicalAddress?

    private static let magic: UInt32 = 0x336E_C578
    private static let version: UInt32 = 1

    /// Places the structure, the command line, the memory map and, on page borders above the kernel, the modules.
    func place(in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        let modules = try placeModules(in: &layout)
        let commandLine = try layout.placeString(options.linuxCommandLine, for: "kernel command line")
        let map = memory.map
        let mapAddress = try layout.allocateAndPlace(bytes(of: map), for: "memory map")

        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: Self.version)
        bytes.append(littleEndian: UInt32(0))  // flags
        bytes.append(littleEndian: modules.count)
        bytes.append(littleEndian: modules.address.rawValue)
        bytes.append(littleEndian: commandLine.rawValue)
        bytes.append(littleEndian: rootPointer?.rawValue ?? 0)
        bytes.append(littleEndian: mapAddress.rawValue)
        bytes.append(littleEndian: UInt32(map.count))
        bytes.append(littleEndian: UInt32(0))  // reserved
        return try layout.allocateAndPlace(bytes, for: "PVH start info")
    }

    /// Places the modules and their list, `struct hvm_modlist_entry`s: address, size, command line, reserved.
    private func placeModules(in layout: inout Layout) throws(BootError) -> (count: UInt32, address: PhysicalAddress) {
        let modules = try layout.place(options.allModules)
        guard !modules.isEmpty else { return (0, PhysicalAddress(0)) }
        var list: [UInt8] = []
        for module in modules {
            let text = try layout.placeString(module.text, for: "module command line")
            for value in [module.address.rawValue, module.size, text.rawValue, 0] { list.append(littleEndian: value) }
        }
        return (UInt32(modules.count), try layout.allocateAndPlace(list, for: "module list"))
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
