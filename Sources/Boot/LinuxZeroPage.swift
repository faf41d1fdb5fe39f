// What Linux finds at RSI: Linux's Documentation/arch/x86/zero-page.rst and arch/x86/include/uapi/asm/bootparam.h
// (struct boot_params). Leaves out: setup_data, APM, EDD, EFI, a framebuffer.

import Primitives

/// The zero page with everything that it points to.
struct LinuxZeroPage {
    private enum Field {
        static let rootPointer = 0x70
        static let entryCount = 0x1E8
        static let entries = 0x2D0
        static let maximumEntries = 128
    }

    /// The type of loaders without a number of their own.
    private static let undefinedLoader: UInt8 = 0xFF

    /// struct screen_info: a VGA in mode 3 with 80 by 25 characters of 16 lines each.
    private static let textScreen: [(offset: Int, value: UInt8)] = [
        (0x06, 3), (0x07, 80), (0x0E, 25), (0x0F, 1), (0x10, 16),
    ]

    private let image: LinuxImage
    private let loadAddress: PhysicalAddress
    private let ramdiskLimit: UInt64
    /// The ACPI tables', where there are any.
    private let rootPointer: PhysicalAddress?

    init(
        _ image: LinuxImage, loadAddress: PhysicalAddress, ramdiskLimit: UInt64, rootPointer: PhysicalAddress?
    ) {
        self.rootPointer = rootPointer
        self.image = image
        self.loadAddress = loadAddress
        self.ramdiskLimit = ramdiskLimit
    }

    /// Places the page, the command line and, on a page border above the kernel, the initrd.
    func place(_ options: LoadOptions, in layout: inout Layout) throws(BootError) -> PhysicalAddress {
        var bytes = [UInt8](repeating: 0, count: 0x1000)
        bytes.replaceSubrange(image.header, with: image.file[image.header])
        typealias Header = LinuxImage.Field
        for field in Self.textScreen { bytes[field.offset] = field.value }
        bytes.store(rootPointer?.rawValue ?? 0, at: Field.rootPointer, count: 8)
        bytes[Int(Header.loaderType)] = Self.undefinedLoader
        bytes.store(loadAddress.rawValue, at: Int(Header.codeStart), count: 4)
        let commandLine = try layout.placeString(options.linuxCommandLine, for: "kernel command line")
        bytes.store(commandLine.rawValue, at: Int(Header.commandLine), count: 4)
        // The header may name one of its own, which is none.
        var ramdisk: (start: UInt64, size: UInt64) = (0, 0)
        if let initrd = options.initrd {
            let start = try layout.allocateAndPlace(initrd, alignment: 0x1000, in: .high, for: "initrd")
            ramdisk = (start.rawValue, UInt64(initrd.count))
            guard ramdisk.start + ramdisk.size <= ramdiskLimit + 1 else {
                throw .noRoom("initrd", size: ramdisk.size, memory: layout.memory.size)
            }
        }
        bytes.store(ramdisk.start, at: Int(Header.ramdisk), count: 4)
        bytes.store(ramdisk.size, at: Int(Header.ramdiskSize), count: 4)
        let map = layout.memory.map
        precondition(map.count <= Field.maximumEntries, "the memory map has too many entries for a zero page")
        bytes[Field.entryCount] = UInt8(map.count)
        for (index, entry) in map.enumerated() {
            let offset = Field.entries + index * 20
            bytes.store(entry.range.lowerBound.rawValue, at: offset, count: 8)
            bytes.store(entry.size, at: offset + 8, count: 8)
            bytes.store(entry.kind.rawValue, at: offset + 16, count: 4)
        }
        return try layout.allocateAndPlace(bytes, alignment: 0x1000, for: "Linux zero page")
    }
}
