import Debugger

/// The gdb server as the machine sees it: it serves clients while the machine is stopped, and is asked whether input has
/// arrived while it runs.
///
/// Its calls come from vCPU threads, one at a time: the thread of the vCPU that stopped serves; of the vCPUs that run,
/// one listens. Gate hands the role over, with a lock between.
package protocol DebugServer: AnyObject, Sendable {
    /// Serves clients until the machine is to be resumed; nil once the machine is to end, which `end` said.
    func serve(_ stop: StopEvent, on machine: VirtualMachine) -> ResumePlan?

    /// From now on arriving input interrupts the calling thread (SIGIO), whose kernel id is `thread`. True when a stop
    /// is asked for already.
    func beginListening(on thread: Int32) -> Bool

    func endListening()

    /// Shows the user some text at once. From any vCPU thread, while the machine runs.
    func show(_ text: [UInt8])

    /// After an interruption: whether input asks for a stop.
    func wantsStop() -> Bool
}
