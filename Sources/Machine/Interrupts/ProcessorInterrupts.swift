import Devices
import Interrupts
import KVM
import Primitives

// What vCPUs ask of interrupt controllers, each on its own thread.

/// What a vCPU's guest accesses. Each answer is nil for what is not theirs; KVM answers for what is the kernel's.
protocol InterruptAccess: AnyObject {
    func read(_ address: PhysicalAddress, size: Int, by processor: Processor) -> Access?

    func write(_ value: UInt64, _ address: PhysicalAddress, size: Int, by processor: Processor) -> Access?

    /// Whether a port is theirs.
    func claims(_ port: UInt16) -> Bool

    /// A byte of a port, read where `value` is nil.
    func access(port: UInt16, writing value: UInt8?, by processor: Processor) -> UInt8?

    /// A model-specific register, likewise. Answers the exit.
    func access(register: UInt32, writing value: UInt64?, by processor: Processor) -> InterruptOutcome?

    /// The kernel's local APIC has ended a level-triggered interrupt.
    func endOfInterrupt(_ vector: UInt8, by processor: Processor)
}

/// What is pending for a vCPU, and what it does meanwhile.
protocol ProcessorInterrupts: AnyObject {
    /// x86: the kernel has the local APICs, and with them halts, start-up messages and CR8.
    var hasKernelAPICs: Bool { get }

    /// x86: whether the vCPU runs, sleeps or is to be started.
    func activity(of processor: Processor) throws(KVMError) -> VCPU.Activity

    func setActivity(_ activity: VCPU.Activity, of processor: Processor) throws(KVMError)

    /// x86: takes the CR8 that the guest has written without an exit: after every exit, so that each read of TPR and PPR,
    /// each write of TPR and each choice of an interrupt finds it.
    func adoptTaskPriority(of processor: Processor)

    /// x86: whether the vCPU has taken an interrupt of `vector` and not ended it.
    func isInService(_ vector: UInt8, on processor: Processor) throws(KVMError) -> Bool

    /// x86: whether something wakes `processor`, which halts with interrupts off, or a device still may.
    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool

    /// arm64: the interrupt that the vCPU is asked to take.
    func signalledInterrupt(on processor: Processor) throws(KVMError) -> Int?
}

// What holds for kinds that have nothing of their own.
extension InterruptController {
    func read(_ address: PhysicalAddress, size: Int, by processor: Processor) -> Access? {
        model?.change(by: processor) { $0.readMemory(address, size: size, processor.index, at: $1) }.map {
            Access(value: $0.value)
        }
    }

    func write(_ value: UInt64, _ address: PhysicalAddress, size: Int, by processor: Processor) -> Access? {
        model?.change(by: processor) { $0.writeMemory(value, address, size: size, processor.index, at: $1) }.map { _ in
            Access()
        }
    }

    func claims(_ port: UInt16) -> Bool { false }
    func access(port: UInt16, writing value: UInt8?, by processor: Processor) -> UInt8? { nil }
    func access(register: UInt32, writing value: UInt64?, by processor: Processor) -> InterruptOutcome? { nil }
    func endOfInterrupt(_ vector: UInt8, by processor: Processor) {}

    var hasKernelAPICs: Bool { false }
    func activity(of processor: Processor) throws(KVMError) -> VCPU.Activity { processor.delivery.activity }
    func setActivity(_ activity: VCPU.Activity, of processor: Processor) throws(KVMError) {
        processor.delivery.activity = activity
    }
    func adoptTaskPriority(of processor: Processor) {}
    func isInService(_ vector: UInt8, on processor: Processor) throws(KVMError) -> Bool { false }
    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool { false }
    func signalledInterrupt(on processor: Processor) throws(KVMError) -> Int? { nil }
}
