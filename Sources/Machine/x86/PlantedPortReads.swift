import Architecture
import Debugger
import KVM
import Primitives

// Breakpoints on hosts whose INT3 reaches the guest: a port read is planted instead (see HostDebugCapabilities.Trap). It
// exits before it has done anything, and is made undone. In user mode it faults (see UserModeDebugging.swift).
//
// Left out: with the kernel's interrupt controllers the kernel answers its own ports, so that a breakpoint is not seen
// where DX is 0x40, the 8254's, or in 16-bit code the first of any of its devices.
extension Processor {
    /// A port read that was planted, taken back: what standing there means. Nil where it is the guest's own.
    func reachedPlanted(_ access: Exit.PortAccess) throws(KVMError) -> Outcome? {
        guard machine.plantsPortReads, !access.isWrite, access.count == 1 else { return nil }
        try fetchRegisters()
        let place = programCounter
        guard let outcome = reachedPlanted(at: place) else { return nil }
        try vcpu.takeBackPortRead(with: registers)
        noteReplacement()
        if place == stepping.destination?.end { return .stop(StopEvent(.stepped, on: index)) }
        return try reachedHandler(place) ?? outcome
    }
}

extension VCPU {
    /// Makes undone what the last exit, for a port read, was about to do; `file` has the registers of that exit.
    ///
    /// KVM drops the read where the program counter has moved meanwhile. An older one does it all the same, of which
    /// nothing is left either once the registers are set again. The kick that it takes stays (see `complete`).
    func takeBackPortRead(with file: RegisterFile) throws(KVMError) {
        var elsewhere = file
        X86.advance(&elsewhere, by: 1)
        try set(.general, from: elsewhere.storage, at: X86.Storage.general)
        _ = try complete()
        try set(.general, from: file.storage, at: X86.Storage.general)
    }
}
