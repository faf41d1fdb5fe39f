import Architecture
import Debugger
import Devices
import Interrupts
import KVM
import Primitives

/// The interrupt controllers of a machine, of one kind: built in, the kernel's, or some of each. Each kind is a class in a
/// file of its own.
protocol InterruptController: InterruptMonitor, InterruptAccess, ProcessorInterrupts {
    /// The built-in part; nil where all of it is the kernel's.
    var model: InterruptModel? { get }

    /// x86: a vCPU's CPUID answers as these controllers need them.
    func answers(_ entries: [CPUIDEntry]) -> [CPUIDEntry]

    /// x86: model-specific registers whose accesses are to exit.
    var filteredRegisters: [UInt32] { get }

    /// All vCPUs are made, and none runs.
    func connect() throws(KVMError)

    /// A device's line changes. `processor` is the caller's own, where its guest made the device do that.
    func raise(_ change: LineChange, by processor: Processor?) throws(KVMError)

    /// A machine reset: `lines` are those that devices hold up.
    func reset(_ lines: [LineChange]) throws(KVMError)
}

/// What a debugger sees of interrupt controllers and does to them: by the thread with the baton.
protocol InterruptMonitor: AnyObject {
    /// How many interrupts a GIC has; nil for a PC's controllers.
    var gicInterrupts: Int? { get }

    /// Where the guest finds their registers.
    var pages: [(base: PhysicalAddress, size: UInt64, name: String)] { get }

    func view() throws(Refusal) -> InterruptView

    /// Everything but requests about the record.
    func perform(_ request: InterruptRequest) throws(Refusal) -> String

    /// Up to `count` bytes of what `processor` would read at `address`, without a read's side effects; nil for an address
    /// that is not theirs.
    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8]?

    /// A model-specific register of `processor`'s local APIC, or `value` in it; nil where that is KVM's to answer.
    func register(_ number: UInt32, writing value: UInt64?, of processor: Processor) throws(Refusal) -> UInt64?

    /// Refuses an event of interrupt `line` that is not reported here.
    func checkCatch(_ line: Int, _ kind: InterruptEvent.Kind) throws(Refusal)

    /// The vectors of caught inputs, where the handlers must be watched since the kernel has the local APICs.
    func vectors(ofCaught lines: [Int]) -> [UInt8: Int]
}

// What holds for kinds that have nothing of their own.
extension InterruptController {
    var model: InterruptModel? { nil }
    var gicInterrupts: Int? { nil }

    func answers(_ entries: [CPUIDEntry]) -> [CPUIDEntry] { entries }
    var filteredRegisters: [UInt32] { [] }
    func connect() throws(KVMError) {}
    func register(_ number: UInt32, writing value: UInt64?, of processor: Processor) throws(Refusal) -> UInt64? { nil }
    func checkCatch(_ line: Int, _ kind: InterruptEvent.Kind) throws(Refusal) {}
    func vectors(ofCaught lines: [Int]) -> [UInt8: Int] { [:] }

    // With a model.

    func raise(_ change: LineChange, by processor: Processor?) throws(KVMError) {
        model?.raise(change, by: processor)
    }

    func reset(_ lines: [LineChange]) throws(KVMError) {
        for line in lines { try raise(line, by: nil) }
        model?.reset()
    }
}

extension InterruptControllerKind {
    /// The controllers of this kind. x86: before the vCPUs are made; arm64: afterwards.
    func make(for machine: VirtualMachine) throws(KVMError) -> any InterruptController {
        guard Self.all(of: machine.architecture).contains(self) else {
            throw KVMError(request: "KVM_CREATE_IRQCHIP", errno: .invalid)
        }
        switch self {
        case .apic: return BuiltInPC(of: machine)
        case .split: return try SplitPC(of: machine)
        case .kernel: return try KernelPC(of: machine)
        case .gicv2: return BuiltInGICv2(of: machine)
        case .vgic:
            switch VGIC.version(in: machine.vm) {
            case .v3: return try KernelGICv3(of: machine)
            case .v2, nil: return try KernelGICv2(of: machine)
            }
        }
    }
}

// What the debugger asks of them (see InterruptTarget).
extension VirtualMachine {
    package func interrupts() throws(Refusal) -> InterruptView { try interruptController.view() }

    package func perform(_ request: InterruptRequest) throws(Refusal) -> String {
        switch request {
        case .record(let isOn): try recording().look { $0.journal.trace.isOn = isOn }
        case .clearRecord: try recording().look { $0.journal.trace.clear() }
        case .inject, .lower, .clear, .mask, .route, .priority, .group, .send, .vector, .interprocessor, .message,
            .nonMaskable:
            return try interruptController.perform(request)
        }
        return ""
    }

    /// Changes an input as its device would, from any thread while the machine runs: for measurements.
    package func drive(_ line: Int, _ level: Bool) throws(Refusal) {
        do throws(KVMError) {
            try interruptController.raise(LineChange(line: UInt32(line), action: level ? .raise : .lower), by: nil)
        } catch {
            throw .refused(error)
        }
    }

    /// The interrupt events as a Chrome trace.
    package func timeline() throws(Refusal) -> [UInt8] {
        Array("\(try recording().look { $0.journal.trace.timeline })\n".utf8)
    }

    /// The model, which records events.
    private func recording() throws(Refusal) -> InterruptModel {
        if let model { return model }
        let other = InterruptControllerKind.all(of: architecture).first { $0.isBuiltIn }!
        throw Refusal("the kernel's interrupt controllers record nothing; --irqchip \(other.rawValue) does")
    }

    /// What only the processors know.
    var processorFacts: [ProcessorFacts] { processors.map(\.facts) }
}
