// The way in: from a file's bytes and the options to an image in memory.

import Primitives

/// Reads `file` as `options` say and lays it out in `memory`. Any bytes give an image or an error.
package func load(
    _ file: [UInt8], options: LoadOptions = LoadOptions(), into memory: MachineMemory
) throws(BootError) -> BootImage {
    guard !file.isEmpty else { throw .emptyFile }
    let format = try options.format == .auto ? recognise(file, options: options) : options.format
    var image: BootImage
    switch format {
    case .elf:
        guard ELF.isELF(file) else { throw .notOfFormat(format, found: describe(file)) }
        image = try ELF(file).load(options: options, into: memory)
    case .multiboot:
        guard let header = Multiboot(file) else { throw .notOfFormat(format, found: describe(file)) }
        image = try header.load(file, options: options, into: memory)
    case .pvh:
        guard ELF.isELF(file) else { throw .notOfFormat(format, found: describe(file)) }
        let elf = try ELF(file)
        guard let entry = elf.pvhEntry else { throw .notOfFormat(format, found: "an ELF file without one") }
        image = try elf.loadPVH(entry: entry, options: options, into: memory)
    case .flat:
        image = try FlatImage(file, options: options).load(into: memory)
    case .linux:
        guard LinuxImage.isLinux(file) else { throw .notOfFormat(format, found: describe(file)) }
        image = try LinuxImage(file).load(options: options, into: memory)
    case .multiboot2:
        guard let header = Multiboot2(file) else { throw .notOfFormat(format, found: describe(file)) }
        image = try header.load(file, options: options, into: memory)
    case .firmware: image = try Firmware(file: file).load(into: memory)
    case .auto: fatalError("recognise gives no auto")
    }
    try options.check(format: format, start: image.start.mode)
    image.firmwareItems = FirmwareItems(options.machine)
    if let payload = options.payload {
        guard LinuxImage.isLinux(payload) else { throw .notOfFormat(.linux, found: describe(payload)) }
        try FirmwareKernel(LinuxImage(payload), options: options, memory: memory).add(to: &image.firmwareItems)
    }
    return image
}
