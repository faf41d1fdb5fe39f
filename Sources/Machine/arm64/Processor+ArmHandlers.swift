import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

// `monitor catch irq` on arm64: breakpoint registers that no client knows of, on the vectors by which a vCPU takes IRQs.
// There, before anything was acknowledged, the GIC still shows which interrupt it is, whoever makes the GIC.
extension Processor {
    /// Whence IRQs are taken by EL1; each has a vector.
    static let interruptOrigins: [Arm64ExceptionVector.Origin] = [.sharedStack, .ownStack, .user]

    /// Follows VBAR_EL1: before each entry. A guest that moves its vectors is followed at its next exit.
    func watchVectors() throws(KVMError) {
        guard machine.handlesCaught else {
            if !handlers.slots.isEmpty { handlers.slots = [] }
            return
        }
        if !isPageStale { try fetchRegisters() }
        fetch([.control])
        let base = Arm64.vectorBase(registers)
        handlers.slots = Self.interruptOrigins.map {
            VirtualAddress(base.rawValue + Arm64ExceptionVector(.irq, from: $0).offset)
        }
    }

    /// What standing on such a vector means; nil where it is none, or the client's own breakpoint too.
    func reachedVector(_ place: VirtualAddress) throws(KVMError) -> Outcome? {
        guard handlers.slots.contains(place) else { return nil }
        let wanted = VirtualMachine.handledInterrupts(machine.arrangement.catches)
        if let line = try signalledInterrupt(), wanted.contains(line) {
            return .stop(
                StopEvent(.caught, on: index, account: "vCPU \(index): interrupt \(line) reached its handler"))
        }
        return machine.hasBreakpoint(at: place) ? nil : .pass
    }

    /// What the GIC asks this vCPU to take.
    private func signalledInterrupt() throws(KVMError) -> Int? {
        if let model = machine.model { return model.look { $0.gic?.gic.signalledInterrupt(index) ?? nil } }
        return try undisturbed { () throws(KVMError) in
            machine.vgic?.version == .v2
                ? try machine.kernelGIC().signalledInterrupt(index)
                : try machine.kernelGICv3().signalledInterrupt(index)
        }
    }
}

extension VirtualMachine {
    /// The interrupts that `catches` wait for at their handlers.
    static func handledInterrupts(_ catches: [Catch]) -> Set<Int> {
        catches.reduce(into: []) { if case .interrupt(let line, .deliver) = $1.kind { $0.insert(line) } }
    }

    var handlesCaught: Bool { !arrangement.catches.isEmpty && !Self.handledInterrupts(arrangement.catches).isEmpty }
}
