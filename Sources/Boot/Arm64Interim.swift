// Loading for arm64 machines, until the loaders know them: ELF64 files by physical address, and flat images at 0x4008_0000
// or where `--load-address` says. Leaves out: Image headers, device trees, initrds.

import Primitives

package func loadArm64(
    _ file: [UInt8], options: LoadOptions, into memory: MachineMemory
) throws(BootError) -> BootImage {
    var layout = Layout(memory: memory)
    func place(_ bytes: ArraySlice<UInt8>, _ address: UInt64, _ length: UInt64) throws(BootError) {
        let start = PhysicalAddress(address)
        guard memory.contains(start, size: length) else {
            throw .outsideMemory(part: "the image", start: start, size: length, memory: memory.size)
        }
        layout.placeImage(bytes, at: start, length: length)
    }
    var entry: UInt64
    if ELF.isELF(file) {
        let part = "ELF header"
        entry = try file.field(UInt64.self, at: 0x18, of: part)
        let table = try file.field(UInt64.self, at: 0x20, of: part)
        let count = try file.field(UInt16.self, at: 0x38, of: part)
        for i in 0..<UInt64(count) {
            let header = table &+ i * 56
            func word(_ offset: UInt64) throws(BootError) -> UInt64 {
                try file.field(UInt64.self, at: header &+ offset, of: "program header")
            }
            guard try file.field(UInt32.self, at: header, of: "program header") == ELF.ProgramHeader.load else {
                continue
            }
            let (offset, address, size, length) = (try word(8), try word(24), try word(32), try word(40))
            guard length > 0, size <= length, offset <= UInt64(file.count), size <= UInt64(file.count) - offset else {
                continue
            }
            try place(file[Int(offset)..<Int(offset + size)], address, length)
        }
    } else {
        let address = options.loadAddress?.rawValue ?? memory.start.rawValue + 0x8_0000
        entry = options.entry ?? address
        try place(file[...], address, UInt64(file.count))
    }
    let none = StartState.Table(base: PhysicalAddress(0), limit: 0)
    let start = StartState(
        mode: .long, instructionPointer: entry, code: .code64, data: .data, stack: .data, task: .task, gdt: none,
        idt: none, cr0: 0, cr3: 0, cr4: 0, efer: 0)
    return BootImage(
        format: ELF.isELF(file) ? .elf : .flat, placements: layout.placements, start: start,
        summary: "starts at \(hexadecimal(entry)) in EL1")
}
