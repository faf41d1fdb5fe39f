import Host
import Synchronization

/// The guest's serial console: output a line or a pause at a time, input as the guest takes it.
package final class Console: Sendable {
    /// Where the two ends are.
    package enum Place: Sendable {
        case none
        /// Standard output with `prefix` before each line and, where asked for, standard input.
        case standard(input: Bool, prefix: String)
        case file(path: String)
        /// A socket in the file system that one client at a time connects to.
        case unix(path: String)
    }

    /// What the escape key does on a terminal.
    package static let help = EscapeKey.help

    /// Bytes of output that wait for a reader.
    private static let capacity = 1 << 20

    let place: Place
    let listener: Listener?
    /// The connected client of a socket.
    let client: ConsoleClient?
    private let output: OutputQueue?
    private let prefix: [UInt8]
    /// The beginning of a line that gets a prefix.
    private let line = Mutex<[UInt8]>([])
    /// Input that the UART had no room for yet.
    let input = Condition<[UInt8]>([])
    /// Whether `input` may have something: looked at on each access that makes room for it.
    let hasInput = Atomic<Bool>(false)

    package init(_ place: Place) throws(Errno) {
        self.place = place
        var (listener, client, prefix): (Listener?, ConsoleClient?, [UInt8]) = (nil, nil, [])
        switch place {
        case .none: output = nil
        case .standard(_, let text):
            prefix = Array(text.utf8)
            output = Self.queue(to: Self.writeToStandardOutput)
        case .file(let path):
            let file = try ConsoleFile(path)
            output = Self.queue { file.write($0) }
        case .unix(let path):
            listener = try Listener(on: .unix(path: path))
            let holder = ConsoleClient()
            client = holder
            output = Self.queue(attempt: { holder.attempt($0) }, to: { holder.write($0) })
        }
        (self.listener, self.client, self.prefix) = (listener, client, prefix)
    }

    private static func queue(
        attempt: (@Sendable (ArraySlice<UInt8>) -> Int)? = nil,
        to sink: @escaping @Sendable (ArraySlice<UInt8>) -> OutputQueue.Outcome
    ) -> OutputQueue {
        OutputQueue("console output", capacity: capacity, report: report, attempt: attempt, to: sink)
    }

    /// Takes a socket out of the file system, at the end of the program.
    package func remove() { listener?.remove() }

    // MARK: - Output

    /// Takes a byte. Never waits: what is not read is dropped.
    func put(_ byte: UInt8) {
        guard let output else { return }
        guard !prefix.isEmpty else { return output.append(byte) }
        line.withLock { line in
            line.append(byte)
            if byte == UInt8(ascii: "\n") || line.count >= 4096 { append(&line, to: output) }
        }
    }

    private func append(_ line: inout [UInt8], to output: OutputQueue) {
        guard !line.isEmpty else { return }
        output.append(prefix + line)
        line.removeAll(keepingCapacity: true)
    }

    /// Waits a moment for what was written to be seen. Where lines are prefixed a part of one waits for its end.
    package func flush() { output?.flush(milliseconds: 40) }

    /// Writes what is left for as long as it is read: the end of output.
    func finish() {
        guard let output else { return }
        line.withLock { append(&$0, to: output) }
        output.finish(milliseconds: 500)
    }

    /// Bytes of output that were dropped.
    var dropped: UInt64 { output?.dropped ?? 0 }

    private static func report(_ event: OutputQueue.Event) {
        switch event {
        case .overflowing: diagnose("the console is not read: its output is dropped")
        case .resumed(let count): diagnose("\(count) bytes of the console's output were dropped")
        case .refused(let errno): diagnose("the console takes no output (\(errno)): it is dropped")
        }
    }

    private static func writeToStandardOutput(_ bytes: ArraySlice<UInt8>) -> OutputQueue.Outcome {
        do throws(Errno) { return .taken(try writeSome(bytes, to: 1)) } catch {
            return .lost(error, isFinal: error == .brokenPipe)
        }
    }

    /// Starts output, and reads input for as long as there is any, on threads of their own. `arrived` is called when
    /// there is some, `quit` when the user asks for the end.
    func start(arrived: @escaping @Sendable () -> Void, quit: @escaping @Sendable () -> Void) throws(Errno) {
        try output?.start()
        switch place {
        case .none, .file, .standard(input: false, _): return
        case .standard(input: true, _):
            _ = try Thread.start("console input") {
                if Terminal.isThere { self.takeKeys(arrived, quit) } else { self.takeStandardInput(arrived) }
            }
        case .unix: _ = try Thread.start("console input") { self.serveClients(arrived) }
        }
    }
}
