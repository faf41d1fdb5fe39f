import Debugger
import Devices
import Host
import Interrupts
import KVM
import Primitives

/// A PC's interrupt controllers, wherever each of them is.
protocol PCController: InterruptController {
    var machine: VirtualMachine { get }

    /// A copy, the kernel's in the shape of the built-in ones.
    func state() throws(Refusal) -> PCInterruptController

    /// Has the kernel make a change for the debugger; false where it has no effect, nil where it is the model's to make.
    func applyInKernel(_ change: PCInterruptController.Change) throws(Refusal) -> Bool?
}

extension PCController {
    var pages: [(base: PhysicalAddress, size: UInt64, name: String)] {
        [
            (PhysicalAddress(0xfec0_0000), 0x1000, "I/O APIC"), (PhysicalAddress(0xfee0_0000), 0x1000, "local APIC"),
        ]
    }

    // The ports of the 8259 pair and the 8254, where they are the model's.

    func claims(_ port: UInt16) -> Bool { model != nil && PCInterruptController.isPort(port) }

    func access(port: UInt16, writing value: UInt8?, by processor: Processor) -> UInt8? {
        let outcome = model?.change(by: processor) {
            if let value { return $0.pc!.writePort(port, value, at: $1) }
            return $0.pc!.readPort(port, at: $1)
        }
        return outcome.map { UInt8(truncatingIfNeeded: $0.value) }
    }

    func perform(_ request: InterruptRequest) throws(Refusal) -> String {
        let changes: [PCInterruptController.Change]
        let before = try state()
        do throws(PCInterruptController.Objection) { changes = try before.changes(for: request) } catch {
            throw Refusal(error.text)
        }
        var accepted = 0
        for change in changes where try applyInKernel(change) ?? model!.apply(change) { accepted += 1 }
        let after = try state()
        do throws(PCInterruptController.Objection) {
            return "\(try after.result(of: request, changes, accepted: accepted, machine.processorFacts))"
        } catch {
            throw Refusal(error.text)
        }
    }

    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8]? {
        guard case .pc(let pc, let pages) = try view().controllers, pc.claims(address, processor) else { return nil }
        let offset = Int(address.rawValue % 0x1000)
        let bytes = pc.inspect(address + -offset, processor, local: pages[processor])
        return Array(bytes[offset...].prefix(count))
    }

    /// Whether an NMI reaches `processor` from a device that may still raise its line: `pc` as it is, its timer counting
    /// or not.
    func reachesUnmaskably(_ processor: Processor, _ pc: PCInterruptController?, countsTime: Bool) -> Bool {
        var inputs: UInt32 = 1 << PCPlatform.Line.com1 | 1 << PCPlatform.Line.sci
        inputs[bit: Int(PCPlatform.Line.timer)] = countsTime
        inputs[bit: Int(PCPlatform.Line.clock)] = machine.shared.clockDue.load(ordering: .relaxed) != .max
        return pc?.reachesUnmaskably(processor.index, from: inputs) ?? false
    }
}

// The built-in part of a PC's controllers.
extension InterruptModel {
    /// Events that `irq trace` keeps: some 4,000 interrupts from pending to end.
    static let traceCapacity = 16_384

    /// A PC's controllers, with or without the local APICs. All vCPUs are made.
    static func pc(of machine: VirtualMachine, hasLocalAPICs: Bool) throws(KVMError) -> InterruptModel {
        var pc = PCInterruptController.Configuration()
        pc.processors = machine.processorCount
        pc.traceCapacity = traceCapacity
        pc.features = machine.capabilities.localAPICFeatures
        pc.hasLocalAPICs = hasLocalAPICs
        pc.timeStampFrequency = try machine.processors[0].vcpu.timeStampFrequency() * 1000
        return InterruptModel(ModelledControllers(PCInterruptController(pc)), of: machine)
    }

    func pcState() -> PCInterruptController { look { $0.pc! } }

    /// What the debugger does; false where it has no effect.
    func apply(_ change: PCInterruptController.Change) -> Bool {
        var isDone = true
        func performIfAccepted(_ body: (inout PCInterruptController, ModelTime) -> (Bool, InterruptOutcome)) -> Bool {
            var isAccepted = false
            let outcome = self.change { controllers, now in
                let answer = body(&controllers.pc!, now)
                isAccepted = answer.0
                return answer.1
            }
            return isAccepted || outcome?.isAccepted == true
        }
        switch change {
        case .line(let line, let level):
            isDone = PCInterruptController.lines.contains(line)
            if isDone { self.change { $0.pc!.setLine(line, level, by: .debugger, at: $1) } }
        case .pulse(let line):
            isDone = PCInterruptController.lines.contains(line)
            guard isDone else { break }
            self.change { $0.pc!.pulseLine(line, by: .debugger, at: $1) }
            self.change { $0.pc!.setLine(line, false, by: .debugger, at: $1) }
        case .mask(let line, let isMasked): isDone = performIfAccepted { $0.setMask(line, isMasked, at: $1) }
        case .route(let line, let destination):
            isDone = performIfAccepted { $0.route(line, to: destination, at: $1) }
        case .message(let message): isDone = performIfAccepted { $0.inject(message, at: $1) }
        case .nonMaskable(let index):
            isDone = performIfAccepted { pc, now in
                pc.inject(InterruptMessage(vector: 0, mode: .nmi, to: pc.locals[index].id), at: now)
            }
        case .clear(let vector, let index): isDone = performIfAccepted { $0.clear(vector: vector, index, at: $1) }
        }
        return isDone
    }
}
