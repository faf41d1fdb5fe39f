// What a multiboot kernel finds at EBX: Multiboot Specification version 0.6.96, section 3.3.
// Leaves out: boot device, drives, ROM configuration table, APM, VBE, a graphical framebuffer.

import Primitives

/// The boot information structure with everything it points to.
struct MultibootInformation {
    let options: LoadOptions
    let memory: MachineMemory
    let sections: ELF.SectionTable?
    /// The kernel asked for a video mode.
    let wantsScreen: Bool

    /// The structure's size with all its optional fields.
    private static let size = 116
    private static let loaderName = "stubvisor"

    private enum Flag {
        static let memory: UInt32 = 1 << 0
        static let commandLine: UInt32 = 1 << 2
        static let modules: UInt32 = 1 << 3
        static let sections: UInt32 = 1 << 5
        static let memoryMap: UInt32 = 1 << 6
        static let loaderName: UInt32 = 1 << 9
        static let framebuffer: UInt32 = 1 << 12
    }

    /// Places the structure, the strings, the memory map, the section headers and, on page borders above the kernel, the
    /// modules.
    func place(in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        let modules = try placeModules(in: &layout)
        let commandLine = try layout.placeString(options.namedCommandLine, for: "kernel command line")
        let name = try layout.placeString(Self.loaderName, for: "boot loader name")
        let map = mapBytes
        let mapAddress = try layout.allocateAndPlace(map, for: "memory map")
        var flags = Flag.memory | Flag.commandLine | Flag.memoryMap | Flag.loaderName
        var fields: [(offset: Int, value: UInt64)] = [
            (4, MachineMemory.lowMemoryEnd / 1024),
            (8, (memory.endBelow4GiB - MachineMemory.highMemoryStart) / 1024),
            (16, commandLine.rawValue),
            (20, UInt64(modules.count)), (24, modules.address.rawValue),
            (44, UInt64(map.count)), (48, mapAddress.rawValue),
            (64, name.rawValue),
        ]
        if modules.count > 0 { flags |= Flag.modules }
        if let sections {
            flags |= Flag.sections
            let address = try layout.allocateAndPlace(sections.bytes, for: "section headers")
            fields += [
                (28, UInt64(sections.count)), (32, UInt64(sections.entrySize)), (36, address.rawValue),
                (40, UInt64(sections.nameIndex)),
            ]
        }
        var bytes = [UInt8](repeating: 0, count: Self.size)
        if wantsScreen {
            flags |= Flag.framebuffer
            bytes.replaceSubrange(88..<88 + TextScreen.framebuffer.count, with: TextScreen.framebuffer)
        }
        for field in [(0, UInt64(flags))] + fields { bytes.store(UInt32(field.1), at: field.0, count: 4) }
        return try layout.allocateAndPlace(bytes, for: "multiboot information")
    }

    /// Places the modules and their list.
    private func placeModules(in layout: inout Layout) throws(BootError) -> (count: Int, address: PhysicalAddress) {
        let modules = try layout.place(options.allModules)
        guard !modules.isEmpty else { return (0, PhysicalAddress(0)) }
        var list: [UInt8] = []
        for module in modules {
            let text = try layout.placeString(module.text, for: "module name")
            let start = module.address.rawValue
            for value in [start, start + module.size, text.rawValue, 0] { list.append(littleEndian: UInt32(value)) }
        }
        return (modules.count, try layout.allocateAndPlace(list, for: "module list"))
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
