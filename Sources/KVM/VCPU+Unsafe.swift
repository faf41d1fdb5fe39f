import CLinux
import Glibc
import Host

/// One virtual processor (Documentation/virt/kvm/api.rst, "vcpu ioctl"). `run` is for one thread only: the kernel
/// waits for a grace period when a vCPU changes its thread. The others may be called by any thread while it does not run.
package struct VCPU: ~Copyable, Sendable {
    let descriptor: Descriptor
    private let mapping: Mapping

    init(_ descriptor: consuming Descriptor, runPageSize: Int) throws(KVMError) {
        do { mapping = try Mapping(sharing: descriptor, count: runPageSize) } catch {
            throw KVMError(request: "mmap of the run page", errno: error)
        }
        self.descriptor = descriptor
    }

    /// SAFETY: a view of `mapping`, which lives as long as this vCPU; `index` and `size` below are KVM's own.
    var page: RunPage { RunPage(mapping) }

    /// For a throwaway vCPU, which stays on the thread that ran it.
    deinit { releaseCurrentThread() }

    /// Makes the calling thread this vCPU's own, until `releaseCurrentThread`, and returns what calls it out of `run`.
    package func adoptCurrentThread() -> Kick { KVM.adoptCurrentThread(page.immediateExit) }

    /// The calling thread runs this vCPU no more: a kick that arrives later must not reach its run page.
    package func releaseCurrentThread() { KVM.releaseCurrentThread(page.immediateExit) }

    /// Runs the guest until something needs the VMM. The corresponding request is `KVM_RUN`.
    package func run() throws(KVMError) -> Exit {
        if clinux_ioctl_value(descriptor.number, REQUEST_RUN, 0) == 0 { return page.exit }
        let failure = Errno(errno)
        // EAGAIN: a processor that waits for its start-up interrupt was woken and looks again.
        if failure == .interrupted || failure == .tryAgain { return .interrupted }
        // KVM_EXIT_MEMORY_FAULT alone comes with an error: EFAULT or EHWPOISON.
        if case .memoryFault = page.exit { return page.exit }
        throw KVMError(request: "KVM_RUN", errno: failure)
    }

    /// The number behind `exit`, which `run` returned last, for counting. An interrupted run may leave the number of
    /// the exit before.
    package func reason(of exit: Exit) -> UInt32 { exit == .interrupted ? UInt32(KVM_EXIT_INTR) : page.reason }

    /// Finishes the instruction whose port or MMIO access the last exit was, without going on to the next. Returns
    /// what else the instruction needs, or `.interrupted` when it is complete. The kick that this takes stays: one
    /// from another thread may have come meanwhile, and the next `run` looks.
    package func complete() throws(KVMError) -> Exit {
        page.immediateExit.pointee = 1
        return try run()
    }

    /// Takes back a kick, after `run` returned `.interrupted` and before looking for what it was about.
    package func clearKick() { page.immediateExit.pointee = 0 }

    /// Makes the next `run` return `.interrupted`: a kick that was taken back must be looked at after all.
    package func repeatKick() { page.immediateExit.pointee = 1 }

    /// Answers an exit for a port read: the value of unit `index`, little-endian.
    package func answer(_ access: Exit.PortAccess, unit index: Int, with value: UInt32) {
        let data = page.portData(access)
        for i in 0..<access.size { data[index * access.size + i] = UInt8(truncatingIfNeeded: value >> UInt32(i * 8)) }
    }

    /// The value that unit `index` of a port write carries.
    package func value(_ access: Exit.PortAccess, unit index: Int) -> UInt32 {
        let data = page.portData(access)
        var value: UInt32 = 0
        for i in 0..<access.size { value |= UInt32(data[index * access.size + i]) << UInt32(i * 8) }
        return value
    }

    /// Answers an exit for a model-specific register: with what was read, or with anything for a write; nil makes the
    /// instruction a general-protection fault.
    package func answerRegister(_ value: UInt64?) { page.answerRegister(value) }

    /// Answers a hypercall that nothing here knows: -KVM_ENOSYS.
    package func refuseHypercall() { page.answerHypercall(UInt64(bitPattern: -1000)) }

    /// Answers an MMIO read exit.
    package func answerMMIO(_ value: UInt64) { page.answerMMIO(value) }

    /// Whether the processor runs, sleeps or waits to be started. The corresponding request is `KVM_GET_MP_STATE`.
    package func activity() throws(KVMError) -> Activity {
        var state = kvm_mp_state()
        try descriptor.set("KVM_GET_MP_STATE", REQUEST_GET_MP_STATE, &state)
        return Activity(rawValue: state.mp_state) ?? .runnable
    }

    /// Makes the processor sleep until an interrupt, as HLT does, or run. The corresponding request is
    /// `KVM_SET_MP_STATE`.
    package func setActivity(_ activity: Activity) throws(KVMError) {
        var state = kvm_mp_state(mp_state: activity.rawValue)
        try descriptor.set("KVM_SET_MP_STATE", REQUEST_SET_MP_STATE, &state)
    }

    /// A vCPU's `mp_state`.
    package enum Activity: UInt32, Sendable {
        case runnable = 0
        /// An application processor before INIT.
        case uninitialized = 1
        /// After INIT, before the start-up interrupt.
        case initReceived = 2
        case halted = 3
        case startupReceived = 4
        case stopped = 5
    }
}
