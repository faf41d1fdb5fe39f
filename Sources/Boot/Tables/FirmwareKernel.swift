// A Linux kernel that firmware boots: as fw_cfg items, which firmware that knows kernels reads by itself, and as an option
// ROM that any PC firmware starts as a boot device (BIOS Boot Specification 1.01, "bootstrap entry vector"; Plug and Play BIOS
// Specification 1.0A, section 3). The setup code is started in real mode (Linux's Documentation/arch/x86/boot.rst, "The
// Real-Mode Kernel Header").

import Primitives

/// The pieces of a bzImage, each with the address where it goes.
struct FirmwareKernel {
    private struct Piece {
        /// Numbers of the items that have its address, its size and its bytes.
        let keys: (address: UInt16, size: UInt16, data: UInt16)
        let address: UInt32
        let bytes: [UInt8]
    }

    private enum Place {
        static let setup: UInt32 = 0x1_0000
        static let commandLine: UInt32 = 0x2_0000
        static let kernel: UInt32 = 0x10_0000
    }

    /// In the BIOS's view: what is loaded by no loader with a number of its own, and has a heap.
    private static let loaderType: UInt8 = 0xFF
    private static let canUseHeap = 7
    private static let heapEnd: UInt64 = 0x224
    /// What firmware takes of memory's end for tables.
    private static let firmwareData: UInt64 = 1 << 20
    static let romName = "genroms/kernel.bin"

    private let pieces: [Piece]

    /// Errors: `commandLineSize`, `outsideMemory` for an initrd.
    init(_ image: LinuxImage, options: LoadOptions, memory: MachineMemory) throws(BootError) {
        let line = Array(options.linuxCommandLine.utf8) + [0]
        let initrd = options.initrd ?? []
        let limit = min(memory.endBelow4GiB &- Self.firmwareData, image.ramdiskLimit + 1)
        let kernelEnd = UInt64(Place.kernel) + UInt64(image.kernel.count)
        guard line.count <= image.commandLineLimit + 1 else {
            throw .commandLineSize(line.count - 1, limit: image.commandLineLimit)
        }
        guard memory.endBelow4GiB > Self.firmwareData, kernelEnd + UInt64(initrd.count) + 0x1000 <= limit else {
            throw .outsideMemory(
                part: "the initrd", start: PhysicalAddress(kernelEnd), size: UInt64(initrd.count), memory: memory)
        }
        let ramdisk = UInt32((limit - UInt64(initrd.count)) & ~0xFFF)
        var setup = Array(image.file[..<image.kernel.lowerBound])
        setup[Int(LinuxImage.Field.loaderType)] = Self.loaderType
        setup[Int(LinuxImage.Field.loadFlags)][bit: Self.canUseHeap] = true
        for (field, value, count) in [
            (Self.heapEnd, Place.commandLine - Place.setup - 0x200, 2),
            (LinuxImage.Field.commandLine, Place.commandLine, 4),
            (LinuxImage.Field.ramdisk, initrd.isEmpty ? 0 : ramdisk, 4),
            (LinuxImage.Field.ramdiskSize, UInt32(initrd.count), 4),
        ] as [(UInt64, UInt32, Int)] { setup.store(value, at: Int(field), count: count) }
        pieces = [
            Piece(keys: (0x16, 0x17, 0x18), address: Place.setup, bytes: setup),
            Piece(keys: (0x13, 0x14, 0x15), address: Place.commandLine, bytes: line),
            Piece(keys: (0x07, 0x08, 0x11), address: Place.kernel, bytes: Array(image.file[image.kernel])),
            Piece(keys: (0x0A, 0x0B, 0x12), address: ramdisk, bytes: initrd),
        ]
    }

    func add(to items: inout FirmwareItems) {
        for piece in pieces {
            items.items[piece.keys.address] = ACPITables.bytes(piece.address)
            items.items[piece.keys.size] = ACPITables.bytes(UInt32(piece.bytes.count))
            items.items[piece.keys.data] = piece.bytes
        }
        items.files += [
            FirmwareItems.File(name: Self.romName, bytes: rom),
            FirmwareItems.File(name: "bootorder", bytes: Array("/rom@\(Self.romName)\0".utf8)),
        ]
    }

    // MARK: - The option ROM

    /// Offsets in the ROM.
    private enum ROM {
        static let size = 0x200
        static let header = 0x20
        static let name = 0x40
        static let initialize = 0x50
        static let boot = 0x54
        static let requests = 0xA0
    }

    /// Has fw_cfg carry out one request for each piece, and goes to the setup code.
    private var rom: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: ROM.size)
        func put(_ part: [UInt8], at offset: Int) { bytes.replaceSubrange(offset..<offset + part.count, with: part) }
        put([0x55, 0xAA, UInt8(ROM.size / 512), 0xEB, UInt8(ROM.initialize - 5)], at: 0)
        bytes.store(ROM.header, at: 0x1A, count: 2)
        put(Array("$PnP".utf8) + [1, 2], at: ROM.header)
        bytes.store(ROM.name, at: ROM.header + 0x10, count: 2)
        bytes.store(ROM.boot, at: ROM.header + 0x1A, count: 2)
        put(Array("Linux\0".utf8), at: ROM.name)
        // mov ax, 0x20 (a boot device is there); retf
        put([0xB8, 0x20, 0, 0xCB], at: ROM.initialize)
        put(Self.code(requests: UInt8(pieces.count)), at: ROM.boot)
        for (index, piece) in pieces.enumerated() {
            // Read what is selected.
            let control = UInt32(piece.keys.data) << 16 | 0xA
            let request =
                ACPITables.bytes(control.byteSwapped) + ACPITables.bytes(UInt32(piece.bytes.count).byteSwapped)
                + ACPITables.bytes(UInt64(piece.address).byteSwapped)
            put(request, at: ROM.requests + 16 * index)
        }
        bytes.storeChecksum(at: ROM.header + 9, of: ROM.header..<ROM.header + 32)
        bytes.storeChecksum(at: ROM.size - 1)
        return bytes
    }

    private static func code(requests: UInt8) -> [UInt8] {
        let parts: [[UInt8]] = [
            [0xFA],  // cli
            [0x66, 0x31, 0xF6],  // xor esi, esi
            [0x8C, 0xCE],  // mov si, cs
            [0x66, 0xC1, 0xE6, 4],  // shl esi, 4
            [0x66, 0x81, 0xC6, UInt8(ROM.requests), 0, 0, 0],  // add esi, requests
            [0xB9, requests, 0],  // mov cx, count
            [0x66, 0x89, 0xF0],  // next: mov eax, esi
            [0x66, 0x0F, 0xC8],  // bswap eax
            [0xBA, 0x18, 5],  // mov dx, 0x518
            [0x66, 0xEF],  // out dx, eax
            [0x66, 0x83, 0xC6, 16],  // add esi, 16
            [0xE2, 0xEF],  // loop next
            [0xB8, 0, 0x10],  // mov ax, 0x1000
            [0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xE0, 0x8E, 0xE8, 0x8E, 0xD0],  // mov ds, es, fs, gs, ss, ax
            [0xBC, 0xF0, 0xFF],  // mov sp, 0xfff0
            [0xEA, 0, 0, 0x20, 0x10],  // jmp 0x1020:0
        ]
        return parts.flatMap { $0 }
    }
}
