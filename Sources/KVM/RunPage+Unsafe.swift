import CLinux
import Host
import Primitives

/// The page a vCPU shares with the kernel: what it exited for, and through it the answer
/// (Documentation/virt/kvm/api.rst, section 5, "The kvm_run structure").
struct RunPage {
    // SAFETY: the mapping belongs to the VCPU that made this view and outlives it.
    let page: UnsafeMutablePointer<kvm_run>

    init(_ mapping: borrowing Mapping) { page = mapping.start.assumingMemoryBound(to: kvm_run.self) }

    /// Word `index` of what the exit carries, for those that the C structure of older headers has no names for.
    private func word(_ index: Int) -> UInt64 {
        // SAFETY: the union of payloads is 256 bytes long.
        precondition((0..<32).contains(index), "the payload has 32 words")
        return UnsafeRawPointer(page).load(fromByteOffset: Self.payload + index * 8, as: UInt64.self)
    }

    /// Where the union of payloads is, whose members have no offsets in Swift: behind `apic_base`.
    static let payload = MemoryLayout<kvm_run>.offset(of: \.apic_base)! + 8

    /// The byte that makes KVM_RUN return at once while it is 1.
    var immediateExit: UnsafeMutablePointer<UInt8> {
        let offset = MemoryLayout<kvm_run>.offset(of: \.immediate_exit)!
        return UnsafeMutableRawPointer(page).advanced(by: offset).assumingMemoryBound(to: UInt8.self)
    }

    var reason: UInt32 { page.pointee.exit_reason }

    /// The exit, its payload copied out.
    var exit: Exit {
        switch Int32(bitPattern: reason) {
        case KVM_EXIT_IO:
            let io = page.pointee.io
            return .io(
                Exit.PortAccess(
                    isWrite: Int32(io.direction) == KVM_EXIT_IO_OUT, port: io.port, size: Int(io.size),
                    count: Int(io.count), dataOffset: Int(io.data_offset)))
        case KVM_EXIT_MMIO:
            var mmio = page.pointee.mmio
            let (address, size) = (PhysicalAddress(mmio.phys_addr), Int(min(mmio.len, 8)))
            if mmio.is_write == 0 { return .mmioRead(address: address, size: size) }
            let data = withUnsafeBytes(of: &mmio.data) { $0.loadUnaligned(as: UInt64.self) }
            return .mmioWrite(address: address, data: data, size: size)
        case KVM_EXIT_DEBUG: return .debug(debugExit)
        case KVM_EXIT_HLT: return .halt
        case KVM_EXIT_SHUTDOWN: return .shutdown
        case KVM_EXIT_FAIL_ENTRY:
            return .failEntry(hardwareReason: page.pointee.fail_entry.hardware_entry_failure_reason)
        case KVM_EXIT_INTERNAL_ERROR:
            var error = page.pointee.internal
            let count = Int(min(error.ndata, 16))
            let data = withUnsafeBytes(of: &error.data) { Array($0.bindMemory(to: UInt64.self).prefix(count)) }
            return .internalError(InternalError(rawValue: error.suberror), data: data)
        case KVM_EXIT_SYSTEM_EVENT: return .systemEvent(page.pointee.system_event.type)
        case KVM_EXIT_INTR: return .interrupted
        case KVM_EXIT_IRQ_WINDOW_OPEN: return .interruptWindowOpen
        case KVM_EXIT_ARM_NISV, Number.load64Bytes:
            let access = page.pointee.arm_nisv
            return .undecodedAccess(address: PhysicalAddress(access.fault_ipa), syndrome: access.esr_iss)
        case KVM_EXIT_IOAPIC_EOI: return .endOfInterrupt(vector: page.pointee.eoi.vector)
        case KVM_EXIT_X86_RDMSR: return .registerRead(index: page.pointee.msr.index, isRefused: isRefused)
        case KVM_EXIT_X86_WRMSR:
            let msr = page.pointee.msr
            return .registerWrite(index: msr.index, value: msr.data, isRefused: isRefused)
        case KVM_EXIT_SET_TPR: return .taskPriorityLowered
        default: return rareExit
        }
    }

    /// Those that nothing here asks for.
    private var rareExit: Exit {
        let low = UInt32(truncatingIfNeeded: word(0))
        switch Int32(bitPattern: reason) {
        case KVM_EXIT_UNKNOWN: return .hardwareUnknown(reason: word(0))
        case KVM_EXIT_EXCEPTION: return .exception(vector: low, errorCode: UInt32(word(0) >> 32))
        case KVM_EXIT_HYPERCALL: return .hypercall(number: word(0))
        case KVM_EXIT_TPR_ACCESS:
            return .taskPriorityAccess(programCounter: VirtualAddress(word(0)), isWrite: word(1) & 0xffff_ffff != 0)
        case KVM_EXIT_HYPERV: return .hyperV(type: low)
        case KVM_EXIT_DIRTY_RING_FULL: return .dirtyRingFull
        case KVM_EXIT_AP_RESET_HOLD: return .resetHold
        case KVM_EXIT_X86_BUS_LOCK: return .busLock
        case KVM_EXIT_XEN: return .xen(type: low)
        case Number.notify: return .notify(isContextLost: low & 1 != 0)
        case Number.memoryFault:
            return .memoryFault(address: PhysicalAddress(word(1)), size: word(2), isPrivate: word(0) & 8 != 0)
        case Number.trustDomain: return .trustDomain(number: word(1))
        case Number.externalAbort:
            return .externalAbort(syndrome: word(1), address: PhysicalAddress(word(3)))
        case Number.certificateRequest: return .certificateRequest
        default: return .unknown(reason: reason)
        }
    }

    /// Reasons that older kernels' headers do not have.
    enum Number {
        static let notify: Int32 = 37
        static let memoryFault: Int32 = 39
        static let trustDomain: Int32 = 40
        static let externalAbort: Int32 = 41
        static let load64Bytes: Int32 = 42
        static let certificateRequest: Int32 = 43
    }

    /// KVM itself would not let the guest access the register; else the filter holds it back.
    private var isRefused: Bool {
        page.pointee.msr.reason & UInt32(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN) != 0
    }

    /// Answers a hypercall.
    func answerHypercall(_ value: UInt64) { page.pointee.hypercall.ret = value }

    /// The `count` data bytes of a port access, read or replaced.
    func portData(_ access: Exit.PortAccess) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(
            start: UnsafeMutableRawPointer(page).advanced(by: access.dataOffset), count: access.size * access.count)
    }

    /// Answers a model-specific register's access; nil raises a general-protection fault.
    func answerRegister(_ value: UInt64?) {
        page.pointee.msr.error = value == nil ? 1 : 0
        page.pointee.msr.data = value ?? 0
    }

    /// Answers an MMIO read.
    func answerMMIO(_ value: UInt64) {
        withUnsafeMutableBytes(of: &page.pointee.mmio.data) { $0.storeBytes(of: value, as: UInt64.self) }
    }
}
