import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

// `monitor catch irq` and `catch exception` on arm64: breakpoint registers that no client knows of, on the vectors by
// which a vCPU takes them to EL1. At an IRQ's, before anything was acknowledged, the GIC still shows which interrupt it
// is, whoever makes the GIC; at the others, ESR_EL1 has the exception's class.
extension Processor {
    /// Whence exceptions are taken by EL1; each has a vector.
    static let exceptionOrigins: [Arm64ExceptionVector.Origin] = [.sharedStack, .ownStack, .user]

    /// Follows VBAR_EL1: before each entry. A guest that moves its vectors is followed at its next exit.
    func watchVectors() throws(KVMError) {
        guard !machine.arrangement.catches.isEmpty else {
            if !breakpoints.handlers.slots.isEmpty { breakpoints.handlers.slots = [] }
            return
        }
        let kinds = machine.arrangement.catches.vectors
        if !kinds.isEmpty {
            if !sync.isPageStale { try fetchRegisters() }
            fetch([.control])
        }
        let base = Arm64.vectorBase(registers)
        breakpoints.handlers.slots = kinds.flatMap { kind in
            Self.exceptionOrigins.map {
                VirtualAddress(base.rawValue &+ Arm64ExceptionVector(kind, from: $0).offset)
            }
        }
    }

    /// What standing on such a vector means; nil where it is none, or the client's own breakpoint too.
    func reachedVector(_ place: VirtualAddress) throws(KVMError) -> Outcome? {
        guard breakpoints.handlers.slots.contains(place) else { return nil }
        fetch([.control])
        if let vector = Arm64ExceptionVector(at: place, base: Arm64.vectorBase(registers)),
            let explanation = try caught(at: vector)
        {
            return .stop(StopEvent(.caught, on: index, explanation: explanation))
        }
        return machine.hasBreakpoint(at: place) ? nil : .pass
    }

    /// What is caught of that which `vector` was taken for.
    private func caught(at vector: Arm64ExceptionVector) throws(KVMError) -> String? {
        let catches = machine.arrangement.catches
        switch vector.kind {
        case .irq:
            guard let line = try machine.interruptController.signalledInterrupt(on: self),
                catches.handledInterrupts.contains(line)
            else { return nil }
            return "vCPU \(index): interrupt \(line) reached its handler"
        case .synchronous, .systemError:
            let syndrome = Arm64.syndrome(registers)
            guard catches.exceptionClasses.contains(syndrome.exceptionClass) else { return nil }
            var text = "vCPU \(index) takes \(syndrome) at \(Arm64.exceptionLink(registers))"
            text += ", \(Arm64.savedState(registers).modeName)"
            if syndrome.hasFaultAddress { text += "; FAR_EL1 \(Arm64.faultAddress(registers))" }
            return text
        case .fiq: return nil
        }
    }
}

extension [Catch] {
    /// The interrupts that are waited for at their handlers.
    fileprivate var handledInterrupts: Set<Int> {
        reduce(into: []) { if case .interrupt(let line, .deliver) = $1.kind { $0.insert(line) } }
    }

    fileprivate var exceptionClasses: Set<Arm64ExceptionClass> {
        reduce(into: []) { if case .exceptionClasses(let classes) = $1.kind { $0.formUnion(classes) } }
    }

    /// The kinds of vectors that must be watched for them.
    var vectors: [Arm64ExceptionVector.Kind] {
        let classes = exceptionClasses
        var kinds: [Arm64ExceptionVector.Kind] = []
        if !handledInterrupts.isEmpty { kinds.append(.irq) }
        if !classes.isSubset(of: [.systemError]) { kinds.append(.synchronous) }
        if classes.contains(.systemError) { kinds.append(.systemError) }
        return kinds
    }
}
