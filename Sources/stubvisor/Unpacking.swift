import Boot
import Host

/// Kernels that come compressed are unpacked by the host's own tools, which is said.
enum Unpacking {
    /// A compressed format, by what its files begin with: its tool unpacks with `-dc`.
    private struct Format {
        let tool: String
        /// Debian's, which has the tool.
        let package: String
        let magic: [UInt8]
    }

    private static let formats = [
        Format(tool: "gzip", package: "gzip", magic: [0x1f, 0x8b]),
        Format(tool: "xz", package: "xz-utils", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
        Format(tool: "zstd", package: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd]),
        Format(tool: "lz4", package: "lz4", magic: [0x04, 0x22, 0x4d, 0x18]),
        // The frame that Linux's builds make.
        Format(tool: "lz4", package: "lz4", magic: [0x02, 0x21, 0x4c, 0x18]),
        Format(tool: "bzip2", package: "bzip2", magic: [0x42, 0x5a, 0x68]),
    ]

    /// Bytes that an unpacked kernel may have, symbols and all.
    private static let limit = 1 << 30

    /// `file`, which was read from `path`, as it is when unpacked; as it is where it is not compressed.
    static func unpack(_ file: [UInt8], from path: String) throws(Failure) -> [UInt8] {
        guard let format = formats.first(where: { file.starts(with: $0.magic) }) else { return file }
        let tool = format.tool
        let result: Filtered
        do throws(Errno) { result = try filter(path, through: [tool, "-dc"], limit: limit) } catch {
            throw .host(
                "\(path) is \(tool)-compressed, and \(tool) cannot be started: \(error)"
                    + (error == .noSuchFile
                        ? "; install it (apt install \(format.package)), or give the unpacked file" : ""))
        }
        switch result {
        case .output(let bytes):
            diagnose("\(path) is \(tool)-compressed: unpacked by \(tool) to \(bytes.count) bytes")
            return bytes
        case .failed(let status): throw .image(path: path, .notUnpacked("\(tool) ended with status \(status)"))
        case .tooLong: throw .image(path: path, .notUnpacked("it has more than \(limit >> 20) MiB"))
        }
    }
}
