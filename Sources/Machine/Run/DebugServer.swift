import Debugger

/// Who looks after the machine while it stands still, and whom it listens to while it moves: the gdb server.
///
/// Its calls come from vCPU threads, one at a time: the thread of the vCPU that stopped serves; of the vCPUs that move,
/// one listens. Gate hands the role over, with a lock between.
package protocol Attendant: AnyObject, Sendable {
    /// Serves clients until the machine is to move or to end.
    func attend(_ stop: StopEvent, on machine: VirtualMachine) -> Verdict

    /// From now on arriving input interrupts the calling thread (SIGIO), whose kernel id is `thread`. True when a stop
    /// is asked for already.
    func beginListening(on thread: Int32) -> Bool

    func endListening()

    /// Shows the user some text at once. From any vCPU thread, while the machine moves.
    func show(_ text: [UInt8])

    /// After an interruption: whether input asks for a stop.
    func wantsStop() -> Bool
}

package enum Verdict: Sendable {
    case resume(ResumePlan)
    case end(Ending)
}
