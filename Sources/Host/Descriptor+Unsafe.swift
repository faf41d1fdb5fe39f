import CLinux
import Glibc

/// An open file descriptor, closed when its owner goes.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes over `number`, which nobody else may close.
    package init(owning number: Int32) { self.number = number }

    deinit { _ = close(number) }

    /// Opens a file, close-on-exec. `mode` matters with O_CREAT. The corresponding C function is `open`.
    package static func open(_ path: String, _ flags: Int32, mode: Int32 = 0o644) throws(Errno) -> Descriptor {
        Descriptor(owning: try uninterrupted { clinux_open(path, flags | CLINUX_O_CLOEXEC, mode) })
    }

    /// Up to `count` bytes; empty at the end of the file. The corresponding C function is `read`.
    package func read(upTo count: Int) throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = try uninterrupted { Glibc.read(number, &buffer, count) }
        buffer.removeLast(count - got)
        return buffer
    }

    /// Writes all of `bytes`, waiting as long as that takes. The corresponding C function is `write`.
    package func write(_ bytes: ArraySlice<UInt8>) throws(Errno) { try Host.write(bytes, to: number) }

    /// Makes `bytes` all of the file at `path`.
    package static func write(_ bytes: [UInt8], to path: String) throws(Errno) {
        try open(path, O_WRONLY | O_CREAT | O_TRUNC).write(bytes[...])
    }

    /// The whole file at `path`.
    package static func contents(of path: String) throws(Errno) -> [UInt8] {
        let file = try open(path, O_RDONLY)
        var bytes: [UInt8] = []
        var status = stat()
        try system { fstat(file.number, &status) }
        if status.st_mode & S_IFMT == S_IFDIR { throw .isDirectory }
        // Devices such as /dev/zero have no end.
        if status.st_mode & S_IFMT == S_IFCHR { throw .invalid }
        bytes.reserveCapacity(Int(status.st_size))
        while true {
            let chunk = try file.read(upTo: 1 << 20)
            if chunk.isEmpty { return bytes }
            bytes += chunk
        }
    }
}

/// Writes all of `bytes` to a descriptor that lives as long as the process (standard output and error).
package func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) throws(Errno) {
    var rest = bytes
    while !rest.isEmpty {
        // SAFETY: the pointer is used inside the call only.
        let done = try uninterrupted { rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } }
        rest = rest.dropFirst(done)
    }
}

/// One line on standard error in the form every diagnostic has: `stubvisor: TEXT`.
package func diagnose(_ text: String) {
    try? write(Array("stubvisor: \(text)\n".utf8)[...], to: STDERR_FILENO)
}
