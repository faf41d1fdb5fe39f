// The Linux kernel's own arm64 image: Documentation/arch/arm64/booting.rst, section 4 "Call the kernel image".

import Primitives

/// The header of an arm64 `Image`.
struct Arm64Image: Equatable {
    /// Bytes from a 2 MiB boundary to the image.
    let textOffset: UInt64
    /// Bytes of memory it takes, with what it needs behind its own end.
    let size: UInt64
    let flags: UInt64

    static let headerSize = 64
    /// Before Linux 3.17 the size was zero, and the offset this one.
    private static let oldOffset: UInt64 = 0x8_0000
    /// What a base must be a multiple of.
    static let alignment: UInt64 = 0x20_0000

    /// Whether `file` has the magic number, "ARM" and 0x64 at 0x38.
    static func isImage(_ file: [UInt8]) -> Bool {
        file.count >= headerSize && file[0x38..<0x3c].elementsEqual([0x41, 0x52, 0x4d, 0x64])
    }

    /// The header of a file that `isImage`. Error: `arm64Image`.
    init(_ file: [UInt8]) throws(BootError) {
        let flags: UInt64 = file.number(at: 0x18, count: 8)
        let declared: UInt64 = file.number(at: 0x10, count: 8)
        if flags[bit: 0] {
            throw .arm64Image("flags", offset: 0x18, "a big-endian kernel, expected a little-endian one")
        }
        self.flags = flags
        textOffset = declared == 0 ? Self.oldOffset : file.number(at: 0x08, count: 8)
        guard textOffset < Self.alignment else {
            throw .arm64Image("text offset", offset: 0x08, "\(hexadecimal(textOffset)), expected less than 2 MiB")
        }
        size = max(declared, UInt64(file.count))
    }

    /// "4 KiB", as the flags have it; nil where they do not say.
    var pageSize: String? { [nil, "4 KiB", "16 KiB", "64 KiB"][Int(flags[bits: 1...2])] }
}
