import Boot
import Host

/// Kernels that come compressed are unpacked by the host's own tools, which is said.
enum Unpacking {
    /// What gzip writes first (RFC 1952, section 2.3.1).
    private static let gzipMagic: [UInt8] = [0x1f, 0x8b]
    /// Bytes that an unpacked kernel may have, symbols and all.
    private static let limit = 1 << 30

    /// `file`, which was read from `path`, as it is when unpacked; as it is where it is not compressed.
    static func unpack(_ file: [UInt8], from path: String) throws(Failure) -> [UInt8] {
        guard file.starts(with: gzipMagic) else { return file }
        let result: Filtered
        do throws(Errno) { result = try filter(path, through: ["gzip", "-dc"], limit: limit) } catch {
            throw .host(
                "\(path) is gzip-compressed, and gzip cannot be started: \(error)"
                    + (error == .noSuchFile ? "; install it (apt install gzip), or give the unpacked file" : ""))
        }
        switch result {
        case .output(let bytes):
            diagnose("\(path) is gzip-compressed: unpacked by gzip to \(bytes.count) bytes")
            return bytes
        case .failed(let status): throw .image(path: path, .notUnpacked("gzip ended with status \(status)"))
        case .tooLong: throw .image(path: path, .notUnpacked("it has more than \(limit >> 20) MiB"))
        }
    }
}
