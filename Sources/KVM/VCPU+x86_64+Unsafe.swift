#if arch(x86_64)
import CLinux
import Host
import Primitives

extension RegisterBlock {
    /// Bytes in the structure.
    package var size: Int {
        switch self {
        case .general: MemoryLayout<kvm_regs>.size
        case .system: MemoryLayout<kvm_sregs>.size
        case .floatingPoint: MemoryLayout<kvm_xsave>.size
        case .debug: MemoryLayout<kvm_debugregs>.size
        case .localAPIC: MemoryLayout<kvm_lapic_state>.size
        case .activity: MemoryLayout<kvm_mp_state>.size
        case .events: MemoryLayout<kvm_vcpu_events>.size
        }
    }

    fileprivate var requests: (name: String, get: UInt, set: UInt) {
        switch self {
        case .general: ("REGS", REQUEST_GET_REGS, REQUEST_SET_REGS)
        case .system: ("SREGS", REQUEST_GET_SREGS, REQUEST_SET_SREGS)
        case .floatingPoint: ("XSAVE", REQUEST_GET_XSAVE, REQUEST_SET_XSAVE)
        case .debug: ("DEBUGREGS", REQUEST_GET_DEBUGREGS, REQUEST_SET_DEBUGREGS)
        case .localAPIC: ("LAPIC", REQUEST_GET_LAPIC, REQUEST_SET_LAPIC)
        case .activity: ("MP_STATE", REQUEST_GET_MP_STATE, REQUEST_SET_MP_STATE)
        case .events: ("VCPU_EVENTS", REQUEST_GET_VCPU_EVENTS, REQUEST_SET_VCPU_EVENTS)
        }
    }
}

extension VCPU {
    /// Reads a register block into `storage` from `offset`. The corresponding requests are RegisterBlock's.
    package func get(_ block: RegisterBlock, into storage: inout [UInt8], at offset: Int) throws(KVMError) {
        precondition(offset >= 0 && offset + block.size <= storage.count, "a register block larger than its place")
        let number = descriptor.number
        let (name, code, _) = block.requests
        // SAFETY: the kernel fills exactly `block.size` bytes, checked above to lie inside.
        _ = try request("KVM_GET_\(name)") {
            storage.withUnsafeMutableBytes { clinux_ioctl(number, code, $0.baseAddress! + offset) }
        }
    }

    /// Writes a register block from `storage` at `offset`. The corresponding requests are RegisterBlock's.
    package func set(_ block: RegisterBlock, from storage: [UInt8], at offset: Int) throws(KVMError) {
        precondition(offset >= 0 && offset + block.size <= storage.count, "a register block larger than its place")
        let number = descriptor.number
        var copy = storage
        let (name, _, code) = block.requests
        // SAFETY: the kernel reads exactly `block.size` bytes, checked above to lie inside.
        _ = try request("KVM_SET_\(name)") {
            copy.withUnsafeMutableBytes { clinux_ioctl(number, code, $0.baseAddress! + offset) }
        }
    }

    /// Asks for general and system registers in the run page after every exit (KVM_CAP_SYNC_REGS).
    package func synchroniseRegisters() {
        page.requestSync(UInt64(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS))
    }

    /// Copies the registers of the last exit, which `synchroniseRegisters` asked for, without a request.
    package func copySynchronised(general: Int, system: Int, into storage: inout [UInt8]) {
        page.copySynchronised(general: general, system: system, into: &storage)
    }

    /// Arms what `debug` says and disarms the rest. The corresponding request is `KVM_SET_GUEST_DEBUG`.
    package func setGuestDebug(_ debug: GuestDebug) throws(KVMError) {
        var request = kvm_guest_debug()
        if !debug.isOff { request.control |= UInt32(KVM_GUESTDBG_ENABLE) }
        if debug.singleStep { request.control |= UInt32(KVM_GUESTDBG_SINGLESTEP) }
        if debug.softwareBreakpoints { request.control |= UInt32(KVM_GUESTDBG_USE_SW_BP) }
        if debug.blockInterrupts { request.control |= UInt32(KVM_GUESTDBG_BLOCKIRQ) }
        if debug.control != 0 { request.control |= UInt32(KVM_GUESTDBG_USE_HW_BP) }
        withUnsafeMutableBytes(of: &request.arch.debugreg) { slots in
            for i in debug.addresses.indices {
                slots.storeBytes(of: debug.addresses[i], toByteOffset: i * 8, as: UInt64.self)
            }
            slots.storeBytes(of: debug.control, toByteOffset: 7 * 8, as: UInt64.self)
        }
        try descriptor.set("KVM_SET_GUEST_DEBUG", REQUEST_SET_GUEST_DEBUG, &request)
    }

    /// The physical address behind a linear one by the vCPU's own state, or nil where nothing is mapped.
    /// The corresponding request is `KVM_TRANSLATE`.
    package func translate(_ address: VirtualAddress) throws(KVMError) -> PhysicalAddress? {
        var translation = kvm_translation()
        translation.linear_address = address.rawValue
        try descriptor.set("KVM_TRANSLATE", REQUEST_TRANSLATE, &translation)
        return translation.valid != 0 ? PhysicalAddress(translation.physical_address) : nil
    }

    /// The vector of the external interrupt that was delivered last, or failed to be.
    /// The corresponding request is `KVM_GET_VCPU_EVENTS`.
    package func lastInterrupt() throws(KVMError) -> UInt8 {
        var events = kvm_vcpu_events()
        try descriptor.set("KVM_GET_VCPU_EVENTS", REQUEST_GET_VCPU_EVENTS, &events)
        return events.interrupt.nr
    }

    /// Whether a non-maskable interrupt is being delivered, or handled.
    /// The corresponding request is `KVM_GET_VCPU_EVENTS`.
    package func handlesNonMaskable() throws(KVMError) -> Bool {
        var events = kvm_vcpu_events()
        try descriptor.set("KVM_GET_VCPU_EVENTS", REQUEST_GET_VCPU_EVENTS, &events)
        return events.nmi.injected != 0 || events.nmi.masked != 0
    }

    /// Queues an external interrupt that its controller has handed over already, delivered at the next entry.
    /// The corresponding requests are `KVM_GET_VCPU_EVENTS` and `KVM_SET_VCPU_EVENTS`.
    package func injectInterrupt(vector: UInt8) throws(KVMError) {
        try changeEvents {
            $0.interrupt.injected = 1
            $0.interrupt.nr = vector
            $0.interrupt.soft = 0
        }
    }

    /// Queues a software exception or interrupt (INT3: vector 3 as an exception; INT n: soft interrupt), delivered
    /// at the next entry. The corresponding requests are `KVM_GET_VCPU_EVENTS` and `KVM_SET_VCPU_EVENTS`.
    package func injectSoftware(vector: UInt8, asException: Bool) throws(KVMError) {
        try changeEvents { events in
            if asException {
                events.exception.injected = 1
                events.exception.nr = vector
                events.exception.has_error_code = 0
            } else {
                events.interrupt.injected = 1
                events.interrupt.nr = vector
                events.interrupt.soft = 1
            }
        }
    }

    /// Queues an exception with an error code, delivered at the next entry. The corresponding requests are
    /// `KVM_GET_VCPU_EVENTS` and `KVM_SET_VCPU_EVENTS`.
    package func inject(exception vector: UInt8, errorCode: UInt32) throws(KVMError) {
        try changeEvents {
            $0.exception.injected = 1
            $0.exception.nr = vector
            $0.exception.has_error_code = 1
            $0.exception.error_code = errorCode
        }
    }

    /// Drops an exception that is being delivered, and unblocks non-maskable interrupts as IRET does.
    package func returnFromHandler() throws(KVMError) {
        try changeEvents {
            $0.exception.injected = 0
            $0.exception.pending = 0
            $0.nmi.masked = 0
        }
    }

    /// Whether KVM has a non-maskable interrupt for the guest, and whether a handler's end (IRET) must come first.
    /// The corresponding request is `KVM_GET_VCPU_EVENTS`.
    package func nonMaskable() throws(KVMError) -> (isPending: Bool, isBlocked: Bool) {
        var events = kvm_vcpu_events()
        try descriptor.set("KVM_GET_VCPU_EVENTS", REQUEST_GET_VCPU_EVENTS, &events)
        return (events.nmi.pending != 0 || events.nmi.injected != 0, events.nmi.masked != 0)
    }

    private func changeEvents(_ body: (inout kvm_vcpu_events) -> Void) throws(KVMError) {
        var events = kvm_vcpu_events()
        try descriptor.set("KVM_GET_VCPU_EVENTS", REQUEST_GET_VCPU_EVENTS, &events)
        body(&events)
        // Another vCPU's local APIC may have queued an NMI meanwhile: those that are pending stay as KVM has them.
        events.flags &= ~UInt32(KVM_VCPUEVENT_VALID_NMI_PENDING)
        try descriptor.set("KVM_SET_VCPU_EVENTS", REQUEST_SET_VCPU_EVENTS, &events)
    }

    /// Marks in the guest's kvm-clock page that the vCPU was stopped, so that the guest's lockup watchdogs start anew. False
    /// where the guest has no such clock. The corresponding request is `KVM_KVMCLOCK_CTRL`.
    package func markPause() throws(KVMError) -> Bool {
        let number = descriptor.number
        do throws(KVMError) {
            try request("KVM_KVMCLOCK_CTRL") { clinux_ioctl_value(number, REQUEST_KVMCLOCK_CTRL, 0) }
            return true
        } catch {
            guard error.errno == .invalid else { throw error }
            return false
        }
    }

    /// A block by itself. The corresponding requests are RegisterBlock's.
    package func get(_ block: RegisterBlock) throws(KVMError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: block.size)
        try get(block, into: &bytes, at: 0)
        return bytes
    }
}
#endif
