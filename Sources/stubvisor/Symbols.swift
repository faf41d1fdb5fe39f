import Boot
import Host

/// The file that gdb reads a kernel's symbols from.
enum Symbols {
    private static let elfMagic: [UInt8] = [0x7f, 0x45, 0x4c, 0x46]
    /// Bytes of a bzImage's setup, which has its version: 64 sectors and the boot sector at most.
    private static let setupSize = 65 * 512

    /// `kernel` itself where gdb can read it; for a bzImage and a compressed kernel the ELF file that belongs to it, where
    /// a debug package or a build has put one, which is said. Nil where there is none.
    static func file(for kernel: String) -> String? {
        guard let start = beginning(of: kernel, setupSize) else { return kernel }
        if start.starts(with: elfMagic) { return kernel }
        let version = linuxVersion(of: start)
        guard version != nil || kernel.hasSuffix(".gz") else { return kernel }
        let places = candidates(for: kernel, version: version)
        if let found = places.first(where: isELF) {
            diagnose("symbols from \(found)")
            return found
        }
        let what = version.map { "\(kernel) is Linux \($0)" } ?? "\(kernel) is compressed"
        diagnose("\(what), and has no symbols; looked for \(places.joined(separator: ", "))")
        return nil
    }

    /// Where distributions' debug packages (Debian's, Fedora's) and kernel builds have it, the most specific first.
    static func candidates(for kernel: String, version: String?) -> [String] {
        let parts = kernel.split(separator: "/", omittingEmptySubsequences: false)
        let folder = parts.count > 1 ? parts.dropLast().joined(separator: "/") : "."
        if kernel.hasSuffix(".gz") && version == nil { return [String(kernel.dropLast(3))] }
        guard let version else { return [] }
        return [
            "\(folder)/vmlinux-\(version)", "/usr/lib/debug/boot/vmlinux-\(version)",
            "/usr/lib/debug/lib/modules/\(version)/vmlinux", "/usr/lib/modules/\(version)/build/vmlinux",
            // A build's arch/x86/boot/bzImage, and a copy beside it.
            "\(folder)/vmlinux", "\(folder)/../../../vmlinux",
        ]
    }

    private static func isELF(_ path: String) -> Bool {
        beginning(of: path, elfMagic.count) == elfMagic
    }

    private static func beginning(of path: String, _ count: Int) -> [UInt8]? {
        guard let file = try? Descriptor.open(path, 0) else { return nil }
        return try? file.read(upTo: count)
    }
}
