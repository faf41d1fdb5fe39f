import Architecture
import Debugger
import Host
import Interrupts
import KVM
import Primitives

// The interrupt controllers for the debugger: by the thread with the baton.
extension VirtualMachine {
    package func interrupts() throws(Refusal) -> InterruptView {
        guard architecture == .x86_64 else { throw noPC }
        guard let model else { return try kernelInterrupts() }
        let now = model.moment(on: nil)
        guard let pc = model.look({ $0.pc }) else { throw noPC }
        guard configuration.interruptController.hasKernelAPICs else {
            return InterruptView(pc, facts: facts, now: now, record: .everything)
        }
        do throws(KVMError) {
            let (locals, pages) = try kernelAPICs()
            return InterruptView(
                pc.joined(by: locals), locals: pages, facts: facts, now: now, record: .lines)
        } catch {
            throw Refusal("the kernel's local APICs cannot be read: \(error)")
        }
    }

    /// What only the processors know.
    var facts: [ProcessorFacts] {
        processors.map { processor in
            var facts = ProcessorFacts()
            facts.place = "pc=\(processor.programCounter)"
            facts.interruptsEnabled = architecture.takesInterrupts(processor.registers)
            switch architecture {
            case .x86_64: facts.isHalted = (try? processor.activity()) == .halted
            case .arm64:
                facts.isArm = true
                facts.fastInterruptsEnabled = !Arm64.state(processor.registers).masksFIQ
            }
            return facts
        }
    }

    private var noPC: Refusal { Refusal("this machine has a GIC: info gic") }

    package func perform(_ action: InterruptAction) throws(Refusal) -> Bool {
        if let model, keepRecord(action, of: model) { return true }
        guard architecture == .x86_64 else { throw noPC }
        guard let model else { return try performInKernel(action) }
        let hasKernelAPICs = configuration.interruptController.hasKernelAPICs
        var isDone = true
        @discardableResult
        func change(_ body: (inout PCInterruptController, Moment) -> InterruptOutcome) -> InterruptOutcome? {
            model.change { $0.pc != nil ? body(&$0.pc!, $1) : nil }
        }
        switch action {
        case .setLine(let line, let level):
            isDone = PCInterruptController.lines.contains(line)
            if isDone { change { $0.setLine(line, level, by: .debugger, at: $1) } }
        case .pulse(let line):
            isDone = PCInterruptController.lines.contains(line)
            guard isDone else { break }
            change { $0.pulseLine(line, by: .debugger, at: $1) }
            change { $0.setLine(line, false, by: .debugger, at: $1) }
        case .mask(let line, let isMasked):
            change { controllers, now in
                let (isWired, outcome) = controllers.setMask(line, isMasked, at: now)
                isDone = isWired
                return outcome
            }
        case .route(let line, let destination):
            change { controllers, now in
                let (isWired, outcome) = controllers.route(line, to: destination, at: now)
                isDone = isWired
                return outcome
            }
        case .message(let message):
            let outcome = change { controllers, now in
                let (isAccepted, outcome) = controllers.inject(message, at: now)
                isDone = isAccepted
                return outcome
            }
            if outcome?.isAccepted == true { isDone = true }
        case .nonMaskable where hasKernelAPICs, .clear where hasKernelAPICs:
            return try performInKernel(action)
        case .nonMaskable(let index):
            let id = model.look { $0.pc?.locals[index].id ?? 0 }
            return try perform(.message(InterruptMessage(vector: 0, mode: .nmi, to: id)))
        case .clear(let vector, let index):
            change { controllers, now in
                let (wasPending, outcome) = controllers.clear(vector: vector, index, at: now)
                isDone = wasPending
                return outcome
            }
        case .record, .clearRecord: break
        }
        return isDone
    }

    /// Does what is about the record, which a model has of every kind of controllers; false for other actions.
    private func keepRecord(_ action: InterruptAction, of model: InterruptModel) -> Bool {
        switch action {
        case .record(let isOn): model.look { $0.journal.trace.isOn = isOn }
        case .clearRecord: model.look { $0.journal.trace.clear() }
        case .setLine, .pulse, .mask, .route, .message, .nonMaskable, .clear: return false
        }
        return true
    }

    /// The interrupt events as a Chrome trace.
    package func timeline() throws(Refusal) -> [UInt8] {
        guard let model else {
            let other: InterruptControllerKind = architecture == .arm64 ? .gicv2 : .apic
            throw Refusal("the kernel's interrupt controllers record nothing; --irqchip \(other.rawValue) does")
        }
        return Array("\(model.look { $0.journal.trace.timeline })\n".utf8)
    }

    /// Whether monitor commands can make files, where they may.
    package func checkOutput() throws(Errno) { try configuration.output?.check() }

    package func save(_ bytes: [UInt8], as name: String) throws(Refusal) {
        guard let output = configuration.output else {
            throw Refusal("no monitor command writes files here: start stubvisor with --output DIR to have them in DIR")
        }
        guard OutputFolder.isPlain(name) else {
            throw Refusal("\(name): expected a file name without a folder: it goes to the folder of --output")
        }
        do throws(Errno) { try output.write(bytes, as: name) } catch {
            let advice = error == .exists ? "; only new files are made" : ""
            throw Refusal("cannot write \(name) in the folder of --output: \(error)\(advice)")
        }
    }
}
