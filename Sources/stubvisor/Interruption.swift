import Glibc
import Host
import Synchronization

/// The signals that end the program: the first one in order, the second at once.
final class Interruption: Sendable {
    private struct State: Sendable {
        var number: Int32?
        var end: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// Takes `signals` from now on; with a terminal also those by which a shell stops a job and lets it go on. Before any
    /// other thread is started.
    init(by signals: [Int32], terminal: Bool = false) throws(Failure) {
        do throws(Errno) {
            try takeSignals(signals + (terminal ? [SIGTSTP, SIGCONT] : [])) { self.take($0) }
        } catch {
            throw .host("cannot start a thread: \(error)")
        }
    }

    /// The exit status of a program that such a signal has ended, if it has.
    var status: Int32? { state.withLock { $0.number }.map { 128 + $0 } }

    /// From now on there is something to be ended in order.
    func ends(with end: @escaping @Sendable () -> Void) {
        state.withLock { $0.end = end }
        if let status { exitProcess(status) }
    }

    private func take(_ number: Int32) {
        switch number {
        case SIGTSTP:
            Terminal.restore()
            stopProcess()
        case SIGCONT: Terminal.claim(again: true)
        default:
            let end = state.withLock { state -> (@Sendable () -> Void)? in
                guard state.number == nil else { return nil }
                state.number = number
                return state.end
            }
            if let end { end() } else { exitProcess(128 + number) }
        }
    }
}
