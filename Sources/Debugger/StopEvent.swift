import Primitives
import RemoteProtocol

/// Why the machine is stopped.
package struct StopEvent: Equatable, Sendable {
    /// The vCPU it happened on, from 0.
    package var processor: Int
    package var cause: StopCause
    /// The reason in words, for the console and `monitor why`.
    package var explanation: String?

    package init(_ cause: StopCause, on processor: Int, explanation: String? = nil) {
        self.processor = processor
        self.cause = cause
        self.explanation = explanation
    }
}

package enum StopCause: Equatable, Sendable {
    /// Nothing happened: not started yet, or a debugger has come.
    case held
    case breakpoint(VirtualAddress)
    case watchpoint(WatchAccess, VirtualAddress)
    case stepped
    /// The user asked for it.
    case interrupted
    /// The client asked for this vCPU to stop, in non-stop mode.
    case paused
    case tripleFault
    /// Exceptions without end: their handler faults as well.
    case exceptionLoop
    /// KVM could not emulate an instruction.
    case emulationFailure
    /// The processor or KVM gave up.
    case hostFailure
    case haltedForGood
    /// What `monitor catch` waits for.
    case caught
    /// An access that no memory or device answers.
    case memoryFault
    case reset
    case ended(Ending)
}

/// How a machine came to its end.
package enum Ending: Equatable, Sendable {
    case poweredOff
    /// The guest wrote to the debug-exit port: this is its status.
    case exited(status: UInt8)
    /// A triple fault, or something as final, with no debugger attached.
    case died(String)
    /// A debugger, or the user, ended it.
    case killed

    /// The process's exit status: `stubvisor help` lists them.
    package var status: UInt8 {
        switch self {
        case .poweredOff, .killed: 0
        case .exited(let status): status
        case .died: 70
        }
    }
}

extension StopCause {
    /// The signal that a client gets.
    var signal: Signal {
        switch self {
        case .held, .breakpoint, .watchpoint, .stepped, .haltedForGood, .caught, .ended: .trap
        case .interrupted: .interrupt
        case .paused: .none
        case .tripleFault, .exceptionLoop: .segmentationFault
        case .emulationFailure: .illegalInstruction
        case .hostFailure, .reset: .abort
        case .memoryFault: .emulationTrap
        }
    }

    /// Whether a resume leads to the same stop again, where nothing is changed.
    var persists: Bool {
        switch self {
        case .tripleFault, .exceptionLoop, .emulationFailure, .hostFailure, .haltedForGood, .memoryFault: true
        case .held, .breakpoint, .watchpoint, .stepped, .interrupted, .paused, .caught, .reset, .ended: false
        }
    }

    /// In a few words, for `monitor why`.
    var name: String {
        switch self {
        case .held: "held for the debugger"
        case .breakpoint(let address): "breakpoint at \(address)"
        case .watchpoint(.write, let address): "write to watched \(address)"
        case .watchpoint(.read, let address): "read of watched \(address)"
        case .watchpoint(.readWrite, let address): "access to watched \(address)"
        case .stepped: "step done"
        case .interrupted: "interrupted by the user"
        case .paused: "paused by the debugger"
        case .tripleFault: "triple fault"
        case .exceptionLoop: "exceptions without end"
        case .emulationFailure: "KVM could not emulate an instruction"
        case .hostFailure: "the host could not go on"
        case .haltedForGood: "halted for good"
        case .caught: "caught"
        case .memoryFault: "access outside of memory and devices"
        case .reset: "reset"
        case .ended(.poweredOff): "powered off"
        case .ended(.exited(let status)): "the guest exited with status \(status)"
        case .ended(.died(let why)): why
        case .ended(.killed): "ended by the user"
        }
    }
}
