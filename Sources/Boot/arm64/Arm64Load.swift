// From a file's bytes to an arm64 machine that can start: the kernel where it wants to be, an initrd and the device tree
// behind it (Documentation/arch/arm64/booting.rst, sections 2 to 4). All formats are handed the device tree, and so have
// a command line and an initrd.

import Primitives

/// The processor that starts: EL1 on its own stack, interrupts and debug exceptions masked, translation off. The others
/// are off until PSCI turns them on. What is not here is zero.
package struct Arm64StartState: Equatable, Sendable {
    package let programCounter: PhysicalAddress
    /// X0: the device tree.
    package let deviceTree: PhysicalAddress
    /// SP_EL1, a multiple of 16; zero where the kernel has a stack of its own.
    package let stack: PhysicalAddress
    /// PSTATE.
    package let state: UInt64 = 0x3c5
}

/// An arm64 image ready to start. No two placements overlap.
package struct Arm64BootImage: Equatable, Sendable {
    /// `linux` for an Image, `elf` or `flat`.
    package let format: ImageFormat
    package let placements: [Placement]
    package let start: Arm64StartState
    /// One line for people: kind, addresses, entry.
    package let summary: String
}

/// What can be loaded for arm64.
private let formats: [ImageFormat] = [.elf, .linux, .flat]

/// Reads `file` as `options` say and lays it out in `memory`, which is of the arm board. Any bytes give an image or an
/// error.
package func loadArm64(
    _ file: [UInt8], options: LoadOptions = LoadOptions(), into memory: MachineMemory, of machine: Arm64Machine
) throws(BootError) -> Arm64BootImage {
    precondition(memory.board == .arm, "an arm64 machine has the arm board's memory")
    guard !file.isEmpty else { throw .emptyFile }
    let format = try options.format == .auto ? recogniseArm64(file, options) : options.format
    try options.checkArm64(format)
    var layout = Layout(memory: memory)
    let kernel: Arm64Kernel
    switch format {
    case .linux:
        guard Arm64Image.isImage(file) else { throw .notArm64Image(found: describe(file)) }
        kernel = try placeImage(file, in: &layout)
    case .elf:
        guard ELF.isELF(file) else { throw .notOfFormat(format, found: describe(file)) }
        kernel = try placeELF(file, in: &layout)
    case .flat: kernel = try placeFlat(file, options, in: &layout)
    case .auto, .multiboot, .multiboot2, .pvh:
        throw .notForArm64(format, expected: formats)
    }
    var initrd: Range<PhysicalAddress>?
    if let bytes = options.initrd, !bytes.isEmpty {
        let start = try layout.allocateAndPlace(bytes, alignment: 0x1000, in: .high, for: "initrd")
        initrd = start..<start + bytes.count
    }
    let tree = machine.deviceTree(memory: memory, commandLine: options.commandLine, initrd: initrd).blob
    guard tree.count <= 2 << 20 else { throw .deviceTreeSize(tree.count) }
    let deviceTree = try layout.allocateAndPlace(tree, alignment: 0x1000, in: .high, for: "device tree")
    let start = Arm64StartState(programCounter: kernel.entry, deviceTree: deviceTree, stack: kernel.stack)
    let summary = "\(kernel.summary), starts at \(kernel.entry) in EL1, device tree at \(deviceTree)"
    return Arm64BootImage(format: format, placements: layout.placements, start: start, summary: summary)
}

/// A kernel in its place.
private struct Arm64Kernel {
    let entry: PhysicalAddress
    var stack = PhysicalAddress(0)
    let summary: String
}

private func placeImage(_ file: [UInt8], in layout: inout Layout) throws(BootError) -> Arm64Kernel {
    let image = try Arm64Image(file)
    let address = layout.memory.start + Int(image.textOffset)
    guard layout.memory.contains(address, size: image.size) else {
        throw .outsideMemory(part: "the kernel", start: address, size: image.size, memory: layout.memory)
    }
    layout.placeImage(file, at: address, length: image.size)
    let pages = image.pageSize.map { " with \($0) pages" } ?? ""
    let range = address..<PhysicalAddress(address.rawValue + image.size)
    return Arm64Kernel(entry: address, summary: "arm64 Image\(pages) in \(rangeText(range))")
}

private func placeELF(_ file: [UInt8], in layout: inout Layout) throws(BootError) -> Arm64Kernel {
    let elf = try ELF(file, for: .arm64)
    let segments = try elf.segments(in: layout.memory)
    elf.place(segments, in: &layout)
    let entry = try elf.physicalEntry(elf.entry, in: segments)
    let stack = try layout.allocateStack(for: .long)
    return Arm64Kernel(
        entry: PhysicalAddress(entry), stack: stack, summary: "\(elf.kind), \(ELF.summary(of: segments))")
}

/// Half a MiB into RAM by default, where kernels without a header were always loaded.
private func placeFlat(
    _ file: [UInt8], _ options: LoadOptions, in layout: inout Layout
) throws(BootError) -> Arm64Kernel {
    let (address, size) = (options.loadAddress ?? layout.memory.start + 0x8_0000, UInt64(file.count))
    guard layout.memory.contains(address, size: size) else {
        throw .outsideMemory(part: "the image", start: address, size: size, memory: layout.memory)
    }
    let range = address..<PhysicalAddress(address.rawValue + size)
    let entry = PhysicalAddress(options.entry ?? address.rawValue)
    guard range.contains(entry) else { throw .entryOutsideImage(entry: entry.rawValue, loaded: range) }
    layout.placeImage(file, at: address, length: size)
    let stack = try layout.allocateStack(for: .long)
    return Arm64Kernel(entry: entry, stack: stack, summary: "flat image in \(rangeText(range))")
}

/// Picks the format of a file that is loaded with `auto`. Errors: `notArm64Kernel`.
private func recogniseArm64(_ file: [UInt8], _ options: LoadOptions) throws(BootError) -> ImageFormat {
    if ELF.isELF(file) {
        if try ELF(file, for: .arm64).namesInterpreter {
            throw .notArm64Kernel(found: "a program for an operating system, not a kernel")
        }
        return .elf
    }
    if Arm64Image.isImage(file) { return .linux }
    if options.describesFlatImage { return .flat }
    throw .notArm64Kernel(found: describe(file))
}

extension LoadOptions {
    /// Refuses options that `format` would silently drop.
    fileprivate func checkArm64(_ format: ImageFormat) throws(BootError) {
        if let mode {
            throw .unusableOption("--cpu-mode \(mode.rawValue)", format, "an arm64 guest starts in EL1")
        }
        guard format != .flat else { return }
        if loadAddress != nil { throw .unusableOption("--load-address", format, "the file says where it loads") }
        if entry != nil { throw .unusableOption("--entry", format, "the file says where it starts") }
    }
}
