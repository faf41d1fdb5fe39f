import Primitives

/// Why KVM_RUN came back (Documentation/virt/kvm/api.rst, section 5, `kvm_run.exit_reason`).
package enum Exit: Equatable, Sendable {
    /// A port access: `count` units of `size` bytes, to be taken from or put into the run page's data.
    case io(PortAccess)
    /// A write of the low `size` bytes of `data` where there is no writable memory.
    case mmioWrite(address: PhysicalAddress, data: UInt64, size: Int)
    /// A read of `size` bytes where there is no memory; answered through the run page.
    case mmioRead(address: PhysicalAddress, size: Int)
    /// A debug event that KVM_SET_GUEST_DEBUG asked for.
    case debug(DebugExit)
    case halt
    /// Triple fault on x86.
    case shutdown
    /// The processor refused to enter the guest, for a reason in its own numbering.
    case failEntry(hardwareReason: UInt64)
    /// KVM gave up.
    case internalError(InternalError, data: [UInt64])
    /// Power-off, reset or crash by a firmware call (KVM_SYSTEM_EVENT_*).
    case systemEvent(UInt32)
    /// A signal, `immediate_exit`, or a start-up interrupt that a waiting processor took: nothing of the guest's.
    case interrupted
    case interruptWindowOpen
    /// x86: a local APIC of the kernel's ended `vector`, which a level-triggered route of an I/O APIC here has.
    case endOfInterrupt(vector: UInt8)
    /// arm64: an access where there is no memory, by an instruction whose register and width the processor does not
    /// report, such as a load of a pair; ISS of ESR_EL2.
    case undecodedAccess(address: PhysicalAddress, syndrome: UInt64)
    /// x86: a read of a model-specific register that the filter holds back (see `VM.filter`), or that KVM refuses the
    /// guest.
    case registerRead(index: UInt32, isRefused: Bool)
    case registerWrite(index: UInt32, value: UInt64, isRefused: Bool)
    /// x86: the guest lowered CR8, and the local APIC is not the kernel's.
    case taskPriorityLowered
    /// x86: an access to the TPR of the kernel's local APIC, where that is to be reported.
    case taskPriorityAccess(programCounter: VirtualAddress, isWrite: Bool)
    /// A hypercall that KVM leaves to others; answered through the run page.
    case hypercall(number: UInt64)
    /// x86: the guest held the bus by a locked access, where that is to be reported.
    case busLock
    /// x86: the guest let no event in for too long, where that is to be reported.
    case notify(isContextLost: Bool)
    case exception(vector: UInt32, errorCode: UInt32)
    /// KVM_EXIT_HYPERV_*, KVM_EXIT_XEN_*, and a number of TDX's calls.
    case hyperV(type: UInt32)
    case xen(type: UInt32)
    case trustDomain(number: UInt64)
    /// Encrypted guests: one waits for its start-up message, one asks for its certificates.
    case resetHold
    case certificateRequest
    case dirtyRingFull
    /// KVM cannot resolve an access to memory.
    case memoryFault(address: PhysicalAddress, size: UInt64, isPrivate: Bool)
    /// arm64: an access met an error of the host's memory; ESR_EL2.
    case externalAbort(syndrome: UInt64, address: PhysicalAddress)
    /// The processor left the guest for a reason in its own numbering that KVM does not know.
    case hardwareUnknown(reason: UInt64)
    /// A number that api.rst did not have when this was written.
    case unknown(reason: UInt32)

    /// Whether it is an access to a model-specific register.
    package var isRegisterAccess: Bool {
        switch self {
        case .registerRead, .registerWrite: true
        default: false
        }
    }

    /// Whether an instruction waits for the answer of a device, a register, or of memory that the VMM writes.
    package var isAccess: Bool {
        switch self {
        case .io, .mmioRead, .mmioWrite, .registerRead, .registerWrite: true
        default: false
        }
    }

    /// A port access.
    package struct PortAccess: Equatable, Sendable {
        package let isWrite: Bool
        package let port: UInt16
        /// Bytes in one unit: 1, 2 or 4.
        package let size: Int
        /// Units: more than 1 for a repeated string instruction.
        package let count: Int
        /// Where the data is, in bytes from the run page's start.
        let dataOffset: Int
    }

    /// A debug event.
    package struct DebugExit: Equatable, Sendable {
        /// x86: the vector, 1 for #DB and 3 for #BP. arm64: ESR_EL2.
        package let code: UInt64
        /// x86: the linear address of the instruction that is next. arm64: 0; the registers have it.
        package let programCounter: VirtualAddress
        /// x86: DR6 as the event set it. arm64: the watchpoint's FAR.
        package let status: UInt64
    }
}
