import Architecture
import Debugger
import KVM
import Primitives

// Back to the image's first instruction, with breakpoints as they are.

/// A vCPU's state before its first instruction.
struct ProcessorSnapshot {
    private let blocks: [(block: RegisterBlock, bytes: [UInt8])]
    private let modelSpecific: [UInt64]
    /// XCR0; nil on hosts without XSAVE.
    private let extendedControl: UInt64?

    /// System registers before the APIC, whose base they hold; events last, since setting registers drops them.
    private static let order: [RegisterBlock] = [
        .system, .localAPIC, .activity, .floatingPoint, .debug, .general, .events,
    ]

    init(of processor: Processor) throws(KVMError) {
        var blocks: [(RegisterBlock, [UInt8])] = []
        for block in Self.order { blocks.append((block, try processor.vcpu.get(block))) }
        self.blocks = blocks
        extendedControl = try? processor.vcpu.extendedControl()
        modelSpecific = try processor.vcpu.modelSpecific(X86.modelSpecificRegisters.map(\.index))
    }

    func restore(to processor: Processor) throws(KVMError) {
        if let extendedControl { try processor.vcpu.setExtendedControl(extendedControl) }
        for (block, bytes) in blocks { try processor.vcpu.set(block, from: bytes, at: 0) }
        for (register, value) in zip(X86.modelSpecificRegisters, modelSpecific) {
            _ = try processor.vcpu.setModelSpecific(register.index, to: value)
        }
        processor.forgetRegisters()
    }
}

/// What a reset brings back: vCPUs and the kernel's interrupt controllers. The image is placed again; memory that it
/// does not cover stays, as it does on hardware.
struct MachineSnapshot {
    private let processors: [ProcessorSnapshot]
    private let interruptControllers: InterruptControllerState

    init(of machine: VirtualMachine) throws(KVMError) {
        var processors: [ProcessorSnapshot] = []
        for processor in machine.processors { processors.append(try ProcessorSnapshot(of: processor)) }
        self.processors = processors
        interruptControllers = try machine.vm.interruptControllerState()
    }

    func restore(to machine: VirtualMachine) throws(KVMError) {
        machine.bus { $0.reset() }
        try machine.vm.setInterruptControllers(interruptControllers)
        machine.guestMemory.place(machine.configuration.image)
        for (processor, snapshot) in zip(machine.processors, processors) { try snapshot.restore(to: processor) }
    }
}

extension VirtualMachine {
    package func reset() throws(Refusal) {
        do throws(KVMError) { try snapshot.restore(to: self) } catch {
            throw Refusal("the machine could not be reset: \(error)")
        }
        owesReset = false
        // Another kernel's code may come to lie elsewhere.
        codePages = []
    }
}
