// Starting an ELF file directly, without a boot protocol: 64-bit files in long mode, 32-bit files in protected mode.

import Primitives

extension ELF {
    /// Loads by physical address and starts at `e_entry`, with a 16 KiB stack in the first room from 0x1000 on.
    /// A 64-bit file's entry may be virtual and stays so, since it is mapped; a 32-bit file's becomes physical, since
    /// paging is off.
    func load(options: LoadOptions, into memory: MachineMemory) throws(BootError) -> BootImage {
        let segments = try segments(in: memory)
        var layout = Layout(memory: memory)
        place(segments, in: &layout)
        _ = layout.placePlatform(options.machine, for: is64 ? .long : .protected)
        let physical = try physicalEntry(entry, in: segments)
        var start: StartState
        if is64 {
            let tables = try pageTables(for: segments, in: &layout)
            let stack = try layout.allocateStack(for: .long)
            start = try .long(entry: entry, tables: tables, layout: &layout)
            start.rsp = stack.rawValue
        } else {
            let stack = try layout.allocateStack(for: .protected)
            start = try .protected(entry: physical, layout: &layout)
            start.rsp = stack.rawValue
        }
        let summary =
            "\(kind), \(Self.summary(of: segments)), starts at \(hexadecimal(start.instructionPointer)) "
            + "in \(start.mode.rawValue) mode"
        return BootImage(format: .elf, placements: layout.placements, start: start, summary: summary)
    }
}
