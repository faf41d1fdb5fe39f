import Glibc
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

    private struct State: Sendable {
        /// Output that is not written yet: a line without its end.
        var pending: [UInt8] = []
        /// The connected client of a socket.
        var client: Socket?
    }

    private let place: Place
    private let file: Descriptor?
    private let listener: Listener?
    private let state = Mutex(State())
    /// Input that the UART had no room for yet.
    private let input = Condition<[UInt8]>([])
    /// Whether `input` may have something: looked at on each of the guest's reads.
    private let hasInput = Atomic<Bool>(false)

    package init(_ place: Place) throws(Errno) {
        self.place = place
        if case .file(let path) = place {
            file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
        } else {
            file = nil
        }
        if case .unix(let path) = place { listener = try Listener(on: .unix(path: path)) } else { listener = nil }
    }

    /// Takes a socket out of the file system, at the end of the program.
    package func remove() { listener?.remove() }

    // MARK: - Output

    /// Takes a byte; whole lines are written at once, prompts with the next `flush`.
    func put(_ byte: UInt8) {
        if case .none = place { return }
        state.withLock { state in
            state.pending.append(byte)
            if byte == UInt8(ascii: "\n") || state.pending.count >= 4096 { write(&state) }
        }
    }

    /// Writes what is left. Where lines are prefixed a part of one waits for its end.
    package func flush() {
        if case .standard(_, let prefix) = place, !prefix.isEmpty { return }
        state.withLock { write(&$0) }
    }

    private func write(_ state: inout State) {
        guard !state.pending.isEmpty else { return }
        // A console nobody reads any more must not stop the guest: what cannot be written is dropped.
        switch place {
        case .none: break
        case .standard(_, let prefix): try? Host.write((Array(prefix.utf8) + state.pending)[...], to: STDOUT_FILENO)
        case .file: try? file?.write(state.pending[...])
        case .unix: try? state.client?.send(state.pending[...])
        }
        state.pending.removeAll(keepingCapacity: true)
    }

    // MARK: - Input

    /// Reads input for as long as there is any, on a thread of its own. `arrived` is called when there is some.
    func startReading(_ arrived: @escaping @Sendable () -> Void) throws(Errno) {
        switch place {
        case .none, .file, .standard(input: false, _): return
        case .standard(input: true, _): _ = try Host.Thread.start("console input") { self.readStandardInput(arrived) }
        case .unix: _ = try Host.Thread.start("console input") { self.serveClients(arrived) }
        }
    }

    /// Hands waiting input to `take` byte by byte until it says that there is no more room.
    func drainInput(_ take: (UInt8) -> Bool) {
        guard hasInput.load(ordering: .acquiring) else { return }
        input.update { bytes in
            let taken = bytes.prefix(while: take).count
            bytes.removeFirst(taken)
            hasInput.store(!bytes.isEmpty, ordering: .releasing)
        }
    }

    private func offer(_ bytes: [UInt8], _ arrived: () -> Void) {
        // One portion at a time, so that input waits where it comes from.
        input.wait { waiting -> Void? in
            guard waiting.isEmpty else { return nil }
            waiting = bytes
            hasInput.store(true, ordering: .releasing)
            return ()
        }
        arrived()
    }

    private func readStandardInput(_ arrived: () -> Void) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let got = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
            if got == -1 && errno == EINTR { continue }
            guard got > 0 else { return }
            offer(Array(buffer.prefix(got)), arrived)
        }
    }

    private func serveClients(_ arrived: () -> Void) {
        guard let listener else { return }
        while true {
            listener.wait()
            guard case .client(let client) = listener.accept() else { continue }
            state.withLock { $0.client = client }
            var buffer = [UInt8](repeating: 0, count: 4096)
            while waitForInput([client.number]), let got = try? client.receive(into: &buffer) ?? -1, got != 0 {
                if got > 0 { offer(Array(buffer.prefix(got)), arrived) }
            }
            state.withLock { $0.client = nil }
        }
    }
}
