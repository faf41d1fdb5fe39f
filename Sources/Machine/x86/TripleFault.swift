import Architecture
import Interrupts
import KVM
import Primitives

/// What led to a triple fault, told from the registers that KVM left and the guest's own tables.
///
/// The processor says only that it shut down. But the registers are those of the instruction that faulted, so what it
/// tried can be followed again: whether CR2 explains the first fault, and what each delivery met in the interrupt
/// table (Intel SDM volume 3, sections 6.14 and 6.15). Faults of the handlers' stacks are not followed.
struct TripleFault {
    private let processor: Processor
    private let place: VirtualAddress
    private let instruction: [UInt8]
    private let table: InterruptTable
    private let faultAddress: VirtualAddress

    init(_ processor: Processor) {
        self.processor = processor
        place = processor.programCounter
        instruction = processor.machine.instruction(at: place, seenBy: processor)
        faultAddress = X86.faultAddress(processor.registers)
        table = processor.interruptTable
    }

    /// The same where KVM resets the processor at a triple fault, as AMD's manual leaves it free to.
    static func unknown(_ index: Int, lastSeen place: VirtualAddress) -> String {
        "triple fault on vCPU \(index)\n  this host's KVM has reset the processor, so that nothing is left of what led to it; "
            + "it was last seen at \(place)"
    }

    /// A few lines for the user.
    var explanation: String {
        let bytes = instruction.prefix(8).map { hexadecimal($0, digits: 2).dropFirst(2) }.joined(separator: " ")
        var lines = [
            "triple fault on vCPU \(processor.index) at \(place)"
                + (bytes.isEmpty ? "" : ", instruction bytes \(bytes)")
        ]
        let (first, reason) = origin
        lines.append("  it began with \(reason)")
        lines.append(
            "  CR2 \(faultAddress), IDT base \(table.base) limit \(hexadecimal(table.limit)), "
                + "\(X86.mode(processor.registers).name)")
        if let first { lines += deliveries(of: first) }
        let next =
            eventInDelivery == first && first != nil
            ? "goes on at this instruction, without the interrupt" : "executes this instruction again"
        lines.append("  continue \(next); monitor reset starts the guest anew")
        return lines.joined(separator: "\n")
    }

    /// The first exception, as far as it can be told. CR2 alone tells nothing: it may be of a fault long ago.
    private var origin: (vector: ExceptionVector?, reason: String) {
        if !isCanonical(place) {
            return (.generalProtection, "\(ExceptionVector.generalProtection): RIP is not canonical")
        }
        if instruction.isEmpty {
            return (.pageFault, "\(ExceptionVector.pageFault): the instruction could not be fetched")
        }
        if let found = interruptInstruction {
            let vector = ExceptionVector(found.vector)
            switch found.kind {
            case .breakpoint: return (vector, "\(vector): an INT3")
            case .interrupt(let number): return (vector, "INT \(number)")
            case .debug: return (vector, "\(vector): an INT1")
            case .overflow: return (vector, "\(vector): an INTO")
            case .invalid:
                let isUD2 = instruction.starts(with: [0x0f, 0x0b])
                return (vector, "\(vector): \(isUD2 ? "a UD2" : "an invalid opcode")")
            }
        }
        let operand = X86MemoryOperand(instruction, processor.registers)
        if let operand, let found = origin(of: operand) { return found }
        if let vector = eventInDelivery {
            let isNMI = vector == .nonMaskableInterrupt
            return (vector, isNMI ? "a non-maskable interrupt" : "an interrupt, vector \(hexadecimal(vector.rawValue))")
        }
        if let operand, let found = division(by: operand) { return found }
        if let fault = protectionFault {
            let vector = ExceptionVector(fault.vector.rawValue)
            return (vector, "\(fault.isCertain ? "" : "probably ")\(vector): \(fault.reason)")
        }
        if entries.contains(faultAddress), let fault = translationFault(faultAddress) {
            return (nil, "an exception whose IDT entry is not mapped: \(fault)")
        }
        return (nil, "an exception of this instruction that left no trace" + undeliverable)
    }

    /// What the instruction checks besides memory.
    private var protectionFault: X86ProtectionFault? {
        let processor = processor
        return X86ProtectionFault(
            instruction, processor.registers,
            X86ProtectionFault.Memory(
                read: { processor.read($0, count: $1) }, descriptor: { processor.descriptor($0) }))
    }

    /// What the instruction's operand says.
    private func origin(of operand: X86MemoryOperand) -> (vector: ExceptionVector?, reason: String)? {
        if operand.canTouch(faultAddress), let fault = translationFault(faultAddress) {
            return (.pageFault, "\(ExceptionVector.pageFault): \(fault)")
        }
        if let address = operand.address, !isCanonical(address) {
            return (
                .generalProtection,
                "\(ExceptionVector.generalProtection): its operand's address, \(address), is not canonical"
            )
        }
        return nil
    }

    /// The interrupt or NMI whose delivery failed: the guest's tables cannot deliver what came last.
    private var eventInDelivery: ExceptionVector? {
        if (try? processor.vcpu.handlesNonMaskable()) == true,
            cannotDeliver(ExceptionVector.nonMaskableInterrupt.rawValue)
        {
            return .nonMaskableInterrupt
        }
        guard X86.takesInterrupts(processor.registers), let vector = try? processor.vcpu.lastInterrupt(), vector >= 16,
            cannotDeliver(vector)
        else { return nil }
        return ExceptionVector(vector)
    }

    private func division(by operand: X86MemoryOperand) -> (vector: ExceptionVector?, reason: String)? {
        if operand.isDivision, let register = operand.register {
            let divisor = operand.value(of: register)
            let what = divisor == 0 ? "a division by zero" : "a division, whose quotient may be too large"
            return (.divideError, "\(ExceptionVector.divideError): \(what)")
        }
        return nil
    }

    /// What is known whatever the exception was: most that leave no trace are general-protection faults.
    private var undeliverable: String {
        failure(delivering: .generalProtection).map {
            "; a \(ExceptionVector.generalProtection) could not be delivered: \($0)"
        }
            ?? ""
    }

    private var entries: VirtualSpan { VirtualSpan(table.base, limit: UInt32(table.limit)) }

    private func translationFault(_ address: VirtualAddress) -> TranslationFault? {
        do throws(TranslationFault) {
            _ = try X86.paging(processor.registers).translate(address, in: processor.machine.guestMemory)
            return nil
        } catch {
            return error
        }
    }

    private func isCanonical(_ address: VirtualAddress) -> Bool {
        if case .nonCanonical = translationFault(address) { false } else { true }
    }

    /// Whether the guest's tables cannot deliver `vector`.
    func cannotDeliver(_ vector: UInt8) -> Bool { failure(delivering: ExceptionVector(vector)) != nil }

    /// Each delivery that failed, from `first` to the shutdown.
    private func deliveries(of first: ExceptionVector) -> [String] {
        var lines: [String] = []
        var vector = first
        for round in 0..<3 {
            let cause: InterruptTable.Cause =
                round == 0 && interruptInstruction?.isSoftware == true ? .instruction(cpl: level) : .event
            guard let failure = failure(delivering: vector, for: cause) else {
                return lines + ["  \(vector) could be delivered; its handler's stack or code must have faulted"]
            }
            switch ExceptionVector.combine(vector, failure.raises) {
            case .handleSerially:
                lines.append("  \(vector) was not delivered: \(failure)")
                vector = failure.raises
            case .doubleFault:
                lines.append("  \(vector) was not delivered: \(failure), which makes a double fault")
                vector = .doubleFault
            case .tripleFault:
                return lines + ["  \(vector) was not delivered: \(failure), and the processor shut down"]
            }
        }
        return lines
    }

    private var level: UInt8 { UInt8(X86.privilege(processor.registers)) }

    private var interruptInstruction: X86InterruptInstruction? {
        X86InterruptInstruction(instruction, processor.registers)
    }

    /// Why the guest's tables cannot deliver `vector`, if so.
    func failure(
        delivering vector: ExceptionVector, for cause: InterruptTable.Cause = .event
    ) -> InterruptTable.Failure? {
        let number = vector.rawValue
        let bytes = processor.read(table.entryAddress(of: number), count: table.mode.entrySize)
        switch table.gate(for: number, entry: bytes, cause: cause) {
        case .failure(let failure): return failure
        case .success(let gate):
            return table.failure(
                entering: gate, descriptor: processor.descriptor(gate.selector), cpl: level, cause: cause)
        }
    }
}
