// The text screen as multiboot's framebuffer fields have it, in both versions: Multiboot Specification version 0.6.96,
// section 3.3, "framebuffer_*"; Multiboot2 Specification version 2.0, section 3.6.12.

import Primitives

enum TextScreen {
    private static let (columns, rows): (UInt32, UInt32) = (80, 25)
    /// EGA-standard text mode.
    private static let egaText: UInt8 = 2

    /// Address, bytes of a line, columns, rows, bits of a character, kind.
    static let framebuffer: [UInt8] = {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: PCBoard.textMemory.rawValue)
        for value in [columns * 2, columns, rows] { bytes.append(littleEndian: value) }
        return bytes + [16, egaText]
    }()
}
