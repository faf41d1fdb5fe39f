import Host
import Synchronization

// Where a console's output goes, but for standard output. Called by the thread that writes it, which may wait.

/// `--console file:PATH`.
final class ConsoleFile: Sendable {
    /// Bytes that an ordinary file may get: a guest that prints for days must not fill the disk.
    static let limit: UInt64 = 1 << 30

    private let file: Descriptor
    /// Bytes that it may still get.
    private let left: Mutex<UInt64>

    init(_ path: String, limit: UInt64 = ConsoleFile.limit) throws(Errno) {
        file = try Descriptor.create(path)
        left = Mutex(file.isRegularFile ? limit : .max)
    }

    func write(_ bytes: ArraySlice<UInt8>) -> OutputQueue.Outcome {
        left.withLock { left in
            let portion = bytes.prefix(Int(min(left, UInt64(bytes.count))))
            if portion.isEmpty { return .lost(.fileTooBig, isFinal: true) }
            do throws(Errno) {
                let count = try writeSome(portion, to: file.number)
                left -= UInt64(count)
                return .taken(count)
            } catch {
                // A full disk may have room again, a FIFO another reader.
                return .lost(error, isFinal: false)
            }
        }
    }
}

/// The one client of `--console unix:PATH`.
final class ConsoleClient: Sendable {
    private let socket = Mutex<Socket?>(nil)

    func set(_ new: Socket?) { socket.withLock { $0 = new } }

    /// As much as it takes at once, in bytes; what goes wrong, `write` finds out.
    func attempt(_ bytes: ArraySlice<UInt8>) -> Int {
        guard let client = socket.withLock({ $0 }) else { return 0 }
        return (try? client.sendSome(bytes)) ?? 0
    }

    /// Output without a client is dropped.
    func write(_ bytes: ArraySlice<UInt8>) -> OutputQueue.Outcome {
        while let client = socket.withLock({ $0 }) {
            do throws(Errno) {
                let count = try client.sendSome(bytes)
                if count > 0 { return .taken(count) }
            } catch {
                return .lost(error, isFinal: false)
            }
            // Another client may take its place meanwhile.
            _ = waitForOutput(client.number, milliseconds: 200)
        }
        return .taken(bytes.count)
    }
}
