import Architecture
import Debugger
import KVM
import Primitives

// Back to the image's first instruction, with breakpoints as they are.

/// A vCPU's state before its first instruction.
struct ProcessorSnapshot {
    private let blocks: [(block: RegisterBlock, bytes: [UInt8])]
    private let modelSpecific: [(index: UInt32, value: UInt64)]
    /// XCR0; nil on hosts without XSAVE.
    private let extendedControl: UInt64?

    /// System registers before the APIC, whose base they hold; events last, since setting registers drops them.
    private static let order: [RegisterBlock] = [
        .system, .localAPIC, .activity, .floatingPoint, .debug, .general, .events,
    ]

    init(of processor: Processor) throws(KVMError) {
        var blocks: [(RegisterBlock, [UInt8])] = []
        let isModelled = !processor.hasKernelAPIC
        for block in Self.order where !(isModelled && block == .localAPIC) {
            blocks.append((block, try processor.vcpu.get(block)))
        }
        self.blocks = blocks
        extendedControl = try? processor.vcpu.extendedControl()
        var modelSpecific: [(UInt32, UInt64)] = []
        for index in processor.machine.x86.resettableRegisters {
            if let value = try processor.vcpu.modelSpecific(index) { modelSpecific.append((index, value)) }
        }
        self.modelSpecific = modelSpecific
    }

    func restore(to processor: Processor) throws(KVMError) {
        if let extendedControl { try processor.vcpu.setExtendedControl(extendedControl) }
        for (block, bytes) in blocks { try processor.vcpu.set(block, from: bytes, at: 0) }
        for (index, value) in modelSpecific {
            if try processor.vcpu.modelSpecific(index) == value { continue }
            // Some are read-only.
            _ = try processor.vcpu.setModelSpecific(index, to: value)
        }
        processor.forgetRegisters()
    }
}

/// What a reset brings back: the vCPUs. The interrupt controllers reset themselves. The image is placed again; memory that it
/// does not cover stays, as it does on hardware.
struct MachineSnapshot {
    /// The time-stamp counter and its offset: time continues.
    static let time: Set<UInt32> = [0x10, 0x3b]
    /// The memory type range registers, which KVM's list leaves out.
    static let memoryTypes: [UInt32] = Array(0x200...0x20f) + [0x250, 0x258, 0x259, 0x2ff] + Array(0x268...0x26f)

    private let processors: [ProcessorSnapshot]

    init(of machine: VirtualMachine) throws(KVMError) {
        var processors: [ProcessorSnapshot] = []
        for processor in machine.processors { processors.append(try ProcessorSnapshot(of: processor)) }
        self.processors = processors
    }

    /// What INIT does to a vCPU.
    func initialize(_ processor: Processor) throws(KVMError) { try processors[processor.index].restore(to: processor) }

    func restore(to machine: VirtualMachine) throws(KVMError) {
        let lines = machine.bus { $0.reset() }
        machine.shared.clockDue.store(.max, ordering: .relaxed)
        try machine.interruptController.reset(lines)
        for processor in machine.processors {
            processor.signals.interruptCalls.withLock { $0 = InterruptCalls() }
            processor.resetInterrupts()
        }
        for processor in machine.processors { processor.forgetHandlers() }
        machine.forgetCopies()
        machine.guestMemory.place(machine.configuration.image.placements)
        for (processor, snapshot) in zip(machine.processors, processors) { try snapshot.restore(to: processor) }
    }
}

extension VirtualMachine {
    package func reset() throws(Refusal) {
        do throws(KVMError) {
            try resetGuest()
        } catch {
            throw Refusal("the machine could not be reset: \(error)")
        }
        runState.isResetPending = false
        // Another kernel's code may be elsewhere.
        x86.pageTraps.codePages = []
    }

    package func completeReset() throws(Refusal) {
        if runState.isResetPending { try reset() }
    }
}
