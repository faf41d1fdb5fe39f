import CLinux
import Glibc

/// An open file descriptor, closed when its owner goes.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes over `number`, which nothing else may close.
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

    /// Opens a file to be written from its start, without waiting for anything: a FIFO needs no reader. Reading and writing
    /// it wait only as their callers say.
    package static func create(_ path: String) throws(Errno) -> Descriptor {
        let flags = O_CREAT | O_TRUNC | O_NOCTTY | CLINUX_O_NONBLOCK
        do throws(Errno) { return try open(path, O_WRONLY | flags) } catch {
            guard error == .noReader else { throw error }
            return try open(path, O_RDWR | flags)
        }
    }

    /// Whether it is an ordinary file, with a size. The corresponding C function is `fstat`.
    package var isRegularFile: Bool {
        var status = stat()
        return fstat(number, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Writes all of `bytes`, waiting as `writeSome` does.
    package func write(_ bytes: ArraySlice<UInt8>, milliseconds: Int32 = -1) throws(Errno) {
        var rest = bytes
        while !rest.isEmpty {
            rest = rest.dropFirst(try writeSome(rest, to: number, milliseconds: milliseconds))
        }
    }

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

/// Writes some of `bytes`, at least one, to a descriptor that its owner keeps open: how many. Waits as long as that takes,
/// where the descriptor does not block for about `milliseconds` at most. The corresponding C function is `write`.
package func writeSome(
    _ bytes: ArraySlice<UInt8>, to descriptor: Int32, milliseconds: Int32 = -1
) throws(Errno) -> Int {
    while true {
        do throws(Errno) {
            // SAFETY: the pointer is used inside the call only.
            return try uninterrupted { bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } }
        } catch {
            guard error == .tryAgain else { throw error }
            if !waitForOutput(descriptor, milliseconds: milliseconds) { throw .timedOut }
        }
    }
}

/// What standard input has, waiting for it; empty at its end. The corresponding C function is `read`.
package func readInput() throws(Errno) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        do throws(Errno) {
            let got = try uninterrupted { Glibc.read(STDIN_FILENO, &buffer, buffer.count) }
            return Array(buffer.prefix(got))
        } catch {
            // Another process made it non-blocking.
            guard error == .tryAgain else { throw error }
            _ = waitForInput([STDIN_FILENO])
        }
    }
}

/// Opens 0 to 2 where this process was started without them: the next file that is opened would take such a place, and
/// get the guest's output.
package func fillStandardDescriptors() {
    for number in STDIN_FILENO...STDERR_FILENO where clinux_fcntl(number, F_GETFD, 0) == -1 {
        _ = clinux_open("/dev/null", number == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0)
    }
}
