// Why a target stopped, in GDB's own numbering, which is not any operating system's. GDB manual, "Stop Reply Packets";
// the numbers are those of GDB's include/gdb/signals.def, in the order that `info signals` lists them.

/// A signal number as the protocol carries it. Only what a machine without processes can mean has a name.
package struct Signal: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// SIG0: stopped as asked, without a signal.
    package static let none = Signal(rawValue: 0)
    /// SIGINT: the user pressed Ctrl-C.
    package static let interrupt = Signal(rawValue: 2)
    /// SIGILL.
    package static let illegalInstruction = Signal(rawValue: 4)
    /// SIGTRAP: breakpoints, watchpoints, steps.
    package static let trap = Signal(rawValue: 5)
    /// SIGABRT.
    package static let abort = Signal(rawValue: 6)
    /// SIGEMT, shown as "Emulation trap". Linux's own SIGBUS has this number, so LLDB shows that.
    package static let emulationTrap = Signal(rawValue: 7)
    /// SIGKILL.
    package static let kill = Signal(rawValue: 9)
    /// SIGBUS, which is 7 in Linux's numbering.
    package static let busError = Signal(rawValue: 10)
    /// SIGSEGV.
    package static let segmentationFault = Signal(rawValue: 11)
}
