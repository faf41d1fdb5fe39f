import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

/// A PC's controllers of which the local APICs are the kernel's.
protocol KernelLocalAPICs: PCController {}

extension KernelLocalAPICs {
    var hasKernelAPICs: Bool { true }

    func answers(_ entries: [CPUIDEntry]) -> [CPUIDEntry] {
        machine.capabilities.hasDeadlineTimer ? offerDeadlineTimer(entries) : entries
    }

    func activity(of processor: Processor) throws(KVMError) -> VCPU.Activity { try processor.vcpu.activity() }

    func setActivity(_ activity: VCPU.Activity, of processor: Processor) throws(KVMError) {
        try processor.vcpu.setActivity(activity)
    }
}

// The kernel's local APICs in the shape of the built-in ones, and what the debugger does to them.
extension VirtualMachine {
    /// The local APICs, and their pages of registers.
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

    /// That of `processor`, the others as after power-up: they may be running.
    func kernelAPICs(knowing processor: Processor) throws(KVMError) -> [LocalAPIC] {
        var locals = processors.indices.map { LocalAPIC(processor: $0, features: LocalAPIC.Features()) }
        locals[processor.index] = try kernelAPIC(of: processor).0
        return locals
    }
}

extension Processor {
    /// An NMI is pending and not blocked.
    func hasKernelNonMaskable() throws(KVMError) -> Bool {
        let event = try vcpu.nonMaskable()
        return event.isPending && !event.isBlocked
    }

    func isInServiceInKernel(_ vector: UInt8) -> Bool {
        (try? LocalAPICRegisters(vcpu.get(.localAPIC)))?.inService.contains(vector) == true
    }

    /// Removes a vector that the kernel's local APIC has accepted; false where it has not.
    func clearInKernel(_ vector: UInt8) throws(KVMError) -> Bool {
        var page = try vcpu.get(.localAPIC)
        let offset = LocalAPICRegisters.Offset.interruptRequest + Int(vector >> 5) * 16
        var word: UInt32 = page.number(at: offset, count: 4)
        guard word[bit: Int(vector & 31)] else { return false }
        word[bit: Int(vector & 31)] = false
        page.store(word, at: offset, count: 4)
        try vcpu.set(.localAPIC, from: page, at: 0)
        return true
    }
}

extension Refusal {
    /// KVM does not read or take what the debugger asks for.
    static func unreadable(_ error: KVMError) -> Refusal {
        Refusal("the kernel's interrupt controllers cannot be read: \(error)")
    }

    static func refused(_ error: KVMError) -> Refusal { Refusal("the kernel's interrupt controllers refuse: \(error)") }
}
