import Architecture
import Debugger
import Devices
import Interrupts
import KVM
import Primitives

// The kernel's interrupt controllers for the debugger: their state in the shape of the built-in ones, and what they take.
extension VirtualMachine {
    func kernelInterrupts() throws(Refusal) -> InterruptView {
        do throws(KVMError) {
            let state = try vm.interruptControllerState(withTimer: false)
            let (locals, pages) = try kernelAPICs()
            guard let controllers = kernelChips(state, locals: locals) else {
                throw KVMError(request: "KVM_GET_IRQCHIP", errno: .invalid)
            }
            return InterruptView(
                controllers, locals: pages, facts: facts, now: Moment(nanoseconds: 0), record: .nothing)
        } catch {
            throw Refusal("the kernel's interrupt controllers cannot be read: \(error)")
        }
    }

    /// The kernel's local APICs, and their pages of registers.
    func kernelAPICs() throws(KVMError) -> (locals: [LocalAPIC], pages: [LocalAPICRegisters]) {
        var locals: [LocalAPIC] = []
        var pages: [LocalAPICRegisters] = []
        for processor in processors {
            let (local, page) = try kernelAPIC(of: processor)
            locals.append(local)
            pages.append(page)
        }
        return (locals, pages)
    }

    private func kernelAPIC(of processor: Processor) throws(KVMError) -> (LocalAPIC, LocalAPICRegisters) {
        let base = X86.localAPICBase(processor.registers)
        guard let page = LocalAPICRegisters(try processor.vcpu.get(.localAPIC), isX2APIC: base[bit: 10]) else {
            throw KVMError(request: "KVM_GET_LAPIC", errno: .invalid)
        }
        let isRunning =
            switch try processor.activity() {
            case .uninitialized, .initReceived: false
            case .runnable, .halted, .startupReceived, .stopped: true
            }
        return (LocalAPIC(page, base: base, processor: processor.index, isRunning: isRunning), page)
    }

    /// Whether something wakes `processor`, which halts with interrupts off, or a device still may: on its own thread.
    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool {
        guard architecture == .x86_64, configuration.interruptController != .gicv2 else { return false }
        if processor.hasKernelAPIC {
            let event = try processor.vcpu.nonMaskable()
            if event.isPending, !event.isBlocked { return true }
        } else if processor.hasCalls {
            return true
        }
        var inputs: UInt32 = 1 << PCPlatform.Line.com1 | 1 << PCPlatform.Line.sci
        if shared.clockDue.load(ordering: .relaxed) != .max { inputs[bit: Int(PCPlatform.Line.clock)] = true }
        guard let model else {
            // Whether the kernel's timer counts is not asked.
            inputs[bit: 0] = true
            let state = try vm.interruptControllerState(withTimer: false)
            let chips = kernelChips(state, locals: try localAPICs(knowing: processor))
            return chips?.reachesUnmaskably(processor.index, from: inputs) ?? false
        }
        guard var controllers = model.look({ $0.pc }) else { return false }
        inputs[bit: 0] = controllers.pit.due != nil
        if processor.hasKernelAPIC { controllers = controllers.joined(by: try localAPICs(knowing: processor)) }
        return controllers.reachesUnmaskably(processor.index, from: inputs)
    }

    /// The kernel's local APICs, but those of other processors as after power-up: they may be running.
    private func localAPICs(knowing processor: Processor) throws(KVMError) -> [LocalAPIC] {
        var locals = processors.indices.map { LocalAPIC(processor: $0, features: LocalAPIC.Features()) }
        locals[processor.index] = try kernelAPIC(of: processor).0
        return locals
    }

    private func kernelChips(_ state: InterruptControllerState, locals: [LocalAPIC]) -> PCInterruptController? {
        guard let ioapic = IOAPIC(kernelState: state.bytes(ofChip: 2)),
            let master = PIC8259(kernelState: state.bytes(ofChip: 0), isMaster: true),
            let slave = PIC8259(kernelState: state.bytes(ofChip: 1), isMaster: false)
        else { return nil }
        return PCInterruptController(locals: locals, ioapic: ioapic, pics: PICPair(master: master, slave: slave))
    }

    /// Holds an input of the kernel's chips up, or lets go: KVM knows one source for all of this program.
    func setKernelLine(_ line: Int, _ level: Bool, by source: LineLevels.Source) throws(KVMError) {
        try kernelLines.withLock { (levels) throws(KVMError) in
            levels.set(line, level, by: source)
            try vm.setInterruptLine(UInt32(line), levels[line])
        }
    }

    /// The debugger lets go of every input of the kernel's chips.
    func releaseLines() throws(KVMError) {
        for line in PCInterruptController.lines where kernelLines.withLock({ $0.isHeld(line, by: .debugger) }) {
            try setKernelLine(line, false, by: .debugger)
        }
    }

    func performInKernel(_ action: InterruptAction) throws(Refusal) -> Bool {
        do throws(KVMError) {
            switch action {
            case .setLine(let line, let level):
                guard PCInterruptController.lines.contains(line) else { return false }
                try setKernelLine(line, level, by: .debugger)
            case .pulse(let line):
                guard PCInterruptController.lines.contains(line) else { return false }
                for level in [false, true, false] { try setKernelLine(line, level, by: .debugger) }
            case .mask(let line, let isMasked): return try change(line) { $0[bit: 16] = isMasked }
            case .route(let line, let destination):
                return try change(line) { $0[bits: 56...63] = UInt64(destination) }
            case .message(let message): return try vm.signal(address: message.address, data: message.data)
            case .nonMaskable(let index): try processors[index].vcpu.interruptNonMaskably()
            case .clear(let vector, let index): return try clear(vector, of: processors[index])
            case .record, .clearRecord: throw KVMError(request: "a record", errno: .invalid)
            }
            return true
        } catch {
            throw Refusal("the kernel's interrupt controllers refuse: \(error)")
        }
    }

    /// Changes the redirection entry of an input.
    private func change(_ line: Int, _ body: (inout UInt64) -> Void) throws(KVMError) -> Bool {
        guard PCInterruptController.lines.contains(line) else { return false }
        var state = try vm.interruptControllerState()
        // `struct kvm_ioapic_state`: 24 bytes, then 8 for each pin; the timer's is pin 2.
        let offset = 24 + 8 * (line == 0 ? 2 : line)
        var bytes = state.bytes(ofChip: 2)
        var entry: UInt64 = bytes.number(at: offset, count: 8)
        body(&entry)
        bytes.store(entry, at: offset, count: 8)
        state.setBytes(bytes, ofChip: 2)
        try vm.setInterruptControllers(state)
        return true
    }

    private func clear(_ vector: UInt8, of processor: Processor) throws(KVMError) -> Bool {
        var page = try processor.vcpu.get(.localAPIC)
        let offset = LocalAPICRegisters.Offset.interruptRequest + Int(vector >> 5) * 16
        var word: UInt32 = page.number(at: offset, count: 4)
        guard word[bit: Int(vector & 31)] else { return false }
        word[bit: Int(vector & 31)] = false
        page.store(word, at: offset, count: 4)
        try processor.vcpu.set(.localAPIC, from: page, at: 0)
        return true
    }
}
