import Debugger
import Devices
import Interrupts
import KVM
import Primitives
import Synchronization

/// A PC's interrupt controllers, all the kernel's: `--irqchip kernel`.
final class KernelPC: KernelLocalAPICs {
    unowned let machine: VirtualMachine
    /// Who holds up the inputs: KVM knows one source for all of this program.
    private let levels = Mutex(LineLevels())
    /// The state that a reset restores.
    private var initialState: InterruptControllerState?

    init(of machine: VirtualMachine) throws(KVMError) {
        self.machine = machine
        try machine.vm.makeInterruptControllers()
        try machine.vm.makeTimer()
        try machine.vm.setRoutes(Self.routes)
    }

    func connect() throws(KVMError) { initialState = try machine.vm.interruptControllerState() }

    /// Where interrupts lead, as the tables for the guest have it: interrupt N to pin N of the I/O APIC and input N of the
    /// 8259 pair, but for the 8254's, which has another pin. KVM by itself takes pin 0 for that.
    private static let routes: [GSIRoute] = (0..<UInt32(IOAPIC.pins)).flatMap { line -> [GSIRoute] in
        guard line != PCBoard.timerPin else { return [] }
        let (chips, ioAPIC): (UInt32, UInt32) = (line / 8, 2)
        let input = line < 16 ? [GSIRoute(line, to: .pin(line % 8, controller: chips))] : []
        return input + [GSIRoute(line, to: .pin(line == 0 ? PCBoard.timerPin : line, controller: ioAPIC))]
    }

    // MARK: - Lines

    /// By level and not by an irqfd: the trigger mode is the guest's choice, and the line may go down before the interrupt
    /// is taken (see InterruptEventDescriptor).
    func raise(_ change: LineChange, by processor: Processor?) throws(KVMError) {
        let line = Int(change.line)
        switch change.action {
        case .raise: try setLine(line, true, by: .device)
        case .lower: try setLine(line, false, by: .device)
        case .pulseLow:
            try setLine(line, false, by: .device)
            try setLine(line, true, by: .device)
        }
    }

    private func setLine(_ line: Int, _ level: Bool, by source: LineLevels.Source) throws(KVMError) {
        try levels.withLock { (levels) throws(KVMError) in
            levels.set(line, level, by: source)
            try machine.vm.setInterruptLine(UInt32(line), levels[line])
        }
    }

    func reset(_ lines: [LineChange]) throws(KVMError) {
        // The lines before the controllers, and again after those have lost them.
        for line in lines { try raise(line, by: nil) }
        for line in PCInterruptController.lines where levels.withLock({ $0.isHeld(line, by: .debugger) }) {
            try setLine(line, false, by: .debugger)
        }
        if let initialState { try machine.vm.setInterruptControllers(initialState) }
        for line in lines where line.action == .raise { try raise(line, by: nil) }
    }

    // MARK: - State

    func state() throws(Refusal) -> PCInterruptController {
        do throws(KVMError) { return try chips(joinedBy: try machine.kernelAPICs().locals) } catch {
            throw .unreadable(error)
        }
    }

    func view() throws(Refusal) -> InterruptView {
        do throws(KVMError) {
            let (locals, pages) = try machine.kernelAPICs()
            return InterruptView(
                try chips(joinedBy: locals), pages: pages, facts: machine.processorFacts,
                now: ModelTime(nanoseconds: 0), record: .nothing)
        } catch {
            throw .unreadable(error)
        }
    }

    private func chips(joinedBy locals: [LocalAPIC]) throws(KVMError) -> PCInterruptController {
        let state = try machine.vm.interruptControllerState(withTimer: false)
        guard let ioapic = IOAPIC(kernelState: state.bytes(of: .ioapic)),
            let master = PIC8259(kernelState: state.bytes(of: .masterPIC), isMaster: true),
            let slave = PIC8259(kernelState: state.bytes(of: .slavePIC), isMaster: false)
        else { throw KVMError(request: "KVM_GET_IRQCHIP", errno: .invalid) }
        return PCInterruptController(locals: locals, ioapic: ioapic, pics: PICPair(master: master, slave: slave))
    }

    func isInService(_ vector: UInt8, on processor: Processor) throws(KVMError) -> Bool {
        if processor.isInServiceInKernel(vector) { return true }
        return (try? machine.vm.interruptControllerState())?.isInService(vector) == true
    }

    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool {
        if try processor.hasKernelNonMaskable() { return true }
        // Whether the kernel's timer counts is not asked.
        let pc = try chips(joinedBy: try machine.kernelAPICs(knowing: processor))
        return reachesUnmaskably(processor, pc, countsTime: true)
    }

    // MARK: - The debugger

    func applyInKernel(_ change: PCInterruptController.Change) throws(Refusal) -> Bool? {
        do throws(KVMError) {
            switch change {
            case .line(let line, let level):
                guard PCInterruptController.lines.contains(line) else { return false }
                try setLine(line, level, by: .debugger)
            case .pulse(let line):
                guard PCInterruptController.lines.contains(line) else { return false }
                for level in [false, true, false] { try setLine(line, level, by: .debugger) }
            case .mask(let line, let isMasked): return try changeEntry(of: line) { $0[bit: 16] = isMasked }
            case .route(let line, let destination):
                return try changeEntry(of: line) { $0[bits: 56...63] = UInt64(destination) }
            case .message(let message):
                return try machine.vm.signal(address: message.address, data: message.data)
            case .nonMaskable(let index): try machine.processors[index].vcpu.interruptNonMaskably()
            case .clear(let vector, let index): return try machine.processors[index].clearInKernel(vector)
            }
            return true
        } catch {
            throw .refused(error)
        }
    }

    /// Changes the redirection entry of an input.
    private func changeEntry(of line: Int, _ body: (inout UInt64) -> Void) throws(KVMError) -> Bool {
        guard PCInterruptController.lines.contains(line) else { return false }
        var state = try machine.vm.interruptControllerState()
        // `struct kvm_ioapic_state`: 24 bytes, then 8 for each pin; the timer's is pin 2.
        let offset = 24 + 8 * (line == 0 ? 2 : line)
        var bytes = state.bytes(of: .ioapic)
        var entry: UInt64 = bytes.number(at: offset, count: 8)
        body(&entry)
        bytes.store(entry, at: offset, count: 8)
        state.setBytes(bytes, of: .ioapic)
        try machine.vm.setInterruptControllers(state)
        return true
    }

    func checkCatch(_ line: Int, _ kind: InterruptEvent.Kind) throws(Refusal) {
        guard kind != .acknowledge, kind != .deliver else { return }
        throw Refusal(
            "n/a (kernel irqchip): the kernel reports none of these events; for the handler: catch irq \(line); "
                + "--irqchip apic reports all")
    }

    func vectors(ofCaught lines: [Int]) -> [UInt8: Int] {
        guard !lines.isEmpty, let pc = try? state() else { return [:] }
        var vectors = pc.vectors(of: lines)
        for line in lines where line < 16 { vectors[pc.pics.vector(of: line)] = line }
        return vectors
    }
}
