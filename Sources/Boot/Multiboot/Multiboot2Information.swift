// What a multiboot 2 kernel finds at EBX: Multiboot2 Specification version 2.0, section 3.6.
// Leaves out: BIOS boot device, VBE, APM, EFI, SMBIOS, network.

import Primitives

/// The boot information: a list of tags, each on a multiple of 8.
struct Multiboot2Information {
    let options: LoadOptions
    let memory: MachineMemory
    let sections: ELF.SectionTable?
    /// The ACPI tables', where there are any.
    let rootPointer: PhysicalAddress?
    let wantsScreen: Bool

    private enum Tag {
        static let end: UInt32 = 0
        static let commandLine: UInt32 = 1
        static let loaderName: UInt32 = 2
        static let module: UInt32 = 3
        static let basicMemory: UInt32 = 4
        static let memoryMap: UInt32 = 6
        static let framebuffer: UInt32 = 8
        static let sections: UInt32 = 9
        /// Copies of the ACPI root pointer, of ACPI 1.0 and of later versions.
        static let oldACPI: UInt32 = 14
        static let newACPI: UInt32 = 15
    }

    /// The types of tags that a kernel may request.
    static let types: Set<UInt32> = [
        Tag.commandLine, Tag.loaderName, Tag.module, Tag.basicMemory, Tag.memoryMap, Tag.framebuffer, Tag.sections,
        Tag.oldACPI, Tag.newACPI,
    ]

    /// Places the list and, on page borders above the kernel, the modules.
    func place(in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        var tags: [(type: UInt32, body: [UInt8])] = [
            (Tag.commandLine, Array(options.commandLine.utf8) + [0]), (Tag.loaderName, Array("stubvisor".utf8) + [0]),
        ]
        for module in try layout.place(options.allModules) {
            let start = module.address.rawValue
            tags.append((Tag.module, words([start, start + module.size]) + Array(module.text.utf8) + [0]))
        }
        let high = (memory.endBelow4GiB - MachineMemory.highMemoryStart) / 1024
        tags.append((Tag.basicMemory, words([MachineMemory.lowMemoryEnd / 1024, high])))
        tags.append((Tag.memoryMap, words([24, 0]) + memory.map.flatMap(entry)))
        if wantsScreen { tags.append((Tag.framebuffer, TextScreen.framebuffer + [0, 0])) }
        if let sections {
            let sizes = [sections.count, sections.entrySize, sections.nameIndex].map(UInt64.init)
            tags.append((Tag.sections, words(sizes) + sections.bytes))
        }
        if rootPointer != nil, let machine = options.machine {
            let copy = PlatformTables(machine: machine).systemTables.bytes.prefix(36)
            tags += [(Tag.oldACPI, Array(copy.prefix(20))), (Tag.newACPI, Array(copy))]
        }
        tags.append((Tag.end, []))
        return try layout.allocateAndPlace(bytes(of: tags), for: "multiboot2 information")
    }

    /// Base, length, kind, reserved. The kinds are those of E820.
    private func entry(_ entry: MachineMemory.MapEntry) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in [entry.range.lowerBound.rawValue, entry.size, UInt64(entry.kind.rawValue)] {
            bytes.append(littleEndian: value)
        }
        return bytes
    }

    private func words(_ values: [UInt64]) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in values { bytes.append(littleEndian: UInt32(value)) }
        return bytes
    }

    /// The list as it lies in memory: its size first.
    private func bytes(of tags: [(type: UInt32, body: [UInt8])]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 8)
        for tag in tags {
            bytes.append(littleEndian: tag.type)
            bytes.append(littleEndian: UInt32(8 + tag.body.count))
            bytes += tag.body
            bytes += [UInt8](repeating: 0, count: bytes.count.roundedUp(to: 8) - bytes.count)
        }
        bytes.store(UInt32(bytes.count), at: 0, count: 4)
        return bytes
    }
}
