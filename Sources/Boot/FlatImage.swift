// Flat images: bytes without any header, as assemblers write them with `-f bin`. The defaults are those of a PC's boot
// sector (0x7C00, real mode) and of the first free megabyte. There is no BIOS to call: in real mode the interrupt table leads to
// stubs that report a call (see PlatformTables).

import Primitives

/// A flat image with what the options say about it.
struct FlatImage {
    let file: [UInt8]
    let mode: CPUMode
    let address: PhysicalAddress
    /// A linear address.
    let entry: UInt64
    private let machine: PCMachine?

    init(_ file: [UInt8], options: LoadOptions) {
        self.file = file
        mode = options.mode ?? .real
        address = options.loadAddress ?? PhysicalAddress(mode == .real ? 0x7C00 : 0x10_0000)
        entry = options.entry ?? address.rawValue
        machine = options.machine
    }

    /// Starts at the entry with a stack; in real mode CS is 0 if IP reaches the entry so, else entry / 16.
    func load(into memory: MachineMemory) throws(BootError) -> BootImage {
        let size = UInt64(file.count)
        guard memory.contains(address, size: size) else {
            throw .outsideMemory(part: "the image", start: address, size: size, memory: memory)
        }
        let range = address..<PhysicalAddress(address.rawValue + size)
        guard range.contains(PhysicalAddress(entry)) else { throw .entryOutsideImage(entry: entry, loaded: range) }
        var layout = Layout(memory: memory)
        layout.placeImage(file, at: address, length: size)
        _ = layout.placePlatform(machine, for: mode)
        let stack = try layout.allocateStack(for: mode)
        var start = try startState(in: &layout, stack: stack)
        if mode != .real { start.rsp = stack.rawValue }
        let summary = "flat image in \(rangeText(range)), starts at \(hexadecimal(entry)) in \(mode.rawValue) mode"
        return BootImage(format: .flat, placements: layout.placements, start: start, summary: summary)
    }

    private func startState(in layout: inout Layout, stack: PhysicalAddress) throws(BootError) -> StartState {
        switch mode {
        case .real:
            guard entry < 0x10_0000 else { throw .entryOutOfReach(entry: entry, mode) }
            return .real(entry: entry, stack: stack)
        case .protected:
            guard entry <= UInt64(UInt32.max) else { throw .entryOutOfReach(entry: entry, mode) }
            return try .protected(entry: entry, layout: &layout)
        case .long:
            return try .long(entry: entry, tables: PageTables(identityFor: layout.memory), layout: &layout)
        }
    }
}
