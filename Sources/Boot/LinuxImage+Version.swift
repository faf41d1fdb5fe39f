// Which kernel a bzImage is: Linux's Documentation/arch/x86/boot.rst, field kernel_version.

import Primitives

/// The version of a bzImage, as `uname -r` prints it; nil for another file and where it has none.
package func linuxVersion(of file: [UInt8]) -> String? {
    guard LinuxImage.isLinux(file), file.count > 0x210 else { return nil }
    let start = 0x200 + file.number(at: 0x20E, count: 2)
    guard start > 0x200, start < file.count else { return nil }
    let text = file[start...].prefix { $0 > 0x20 && $0 < 0x7F }
    // What follows is a blank, then who built it.
    guard !text.isEmpty, text.count < 128, !text.contains(0x2F) else { return nil }
    return String(decoding: text, as: UTF8.self)
}
