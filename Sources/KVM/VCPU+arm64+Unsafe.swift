#if arch(arm64)
import CLinux
import Host
import Primitives

extension VCPU {
    /// Makes the processor, or makes it anew: its registers are as after power-on. The corresponding request is
    /// `KVM_ARM_VCPU_INIT`.
    package func initialise(as kind: ProcessorKind) throws(KVMError) {
        var initialisation = kind.initialisation
        try descriptor.set("KVM_ARM_VCPU_INIT", REQUEST_ARM_VCPU_INIT, &initialisation)
    }

    /// The identities of all registers that this processor has, as the next two take them. The corresponding request
    /// is `KVM_GET_REG_LIST`.
    package func registerIdentities() throws(KVMError) -> [UInt64] {
        var room = 512
        while true {
            var list = [UInt64](repeating: 0, count: 1 + room)
            list[0] = UInt64(room)
            let number = descriptor.number
            do throws(KVMError) {
                // SAFETY: the first word says how many words follow it; the kernel refuses rather than write more.
                _ = try request("KVM_GET_REG_LIST") {
                    list.withUnsafeMutableBytes { clinux_ioctl(number, REQUEST_GET_REG_LIST, $0.baseAddress) }
                }
            } catch {
                // Refused, the kernel says how many there are.
                guard error.errno == .tooBig, list[0] > room else { throw error }
                room = Int(list[0])
                continue
            }
            return Array(list[1...].prefix(Int(list[0])))
        }
    }

    /// Reads a register into `storage` from `offset`. Its identity says how wide it is.
    /// The corresponding request is `KVM_GET_ONE_REG`.
    package func get(_ identity: UInt64, into storage: inout [UInt8], at offset: Int) throws(KVMError) {
        let width = Self.width(of: identity)
        precondition(offset >= 0 && offset + width <= storage.count, "a register larger than its place")
        let number = descriptor.number
        // SAFETY: the kernel writes `width` bytes, checked above to lie inside, during the call.
        _ = try request("KVM_GET_ONE_REG") {
            storage.withUnsafeMutableBytes {
                Self.access(number, REQUEST_GET_ONE_REG, identity, UnsafeMutableRawPointer($0.baseAddress!) + offset)
            }
        }
    }

    /// Writes a register from `storage` at `offset`. The corresponding request is `KVM_SET_ONE_REG`.
    package func set(_ identity: UInt64, from storage: [UInt8], at offset: Int) throws(KVMError) {
        let width = Self.width(of: identity)
        precondition(offset >= 0 && offset + width <= storage.count, "a register larger than its place")
        let number = descriptor.number
        // SAFETY: the kernel reads `width` bytes, checked above to lie inside, during the call, and writes none.
        _ = try request("KVM_SET_ONE_REG") {
            storage.withUnsafeBytes {
                Self.access(number, REQUEST_SET_ONE_REG, identity, UnsafeRawPointer($0.baseAddress!) + offset)
            }
        }
    }

    /// Bytes, from bits 52 to 55 (KVM_REG_SIZE_MASK): the exponent of two.
    private static func width(of identity: UInt64) -> Int { 1 << Int(identity[bits: 52...55]) }

    private static func access(
        _ number: Int32, _ code: UInt, _ identity: UInt64, _ place: UnsafeRawPointer
    ) -> Int32 {
        var register = kvm_one_reg(id: identity, addr: UInt64(UInt(bitPattern: place)))
        return withUnsafeMutablePointer(to: &register) { clinux_ioctl(number, code, $0) }
    }

    /// Arms what `debug` says and disarms the rest. The corresponding request is `KVM_SET_GUEST_DEBUG`.
    package func setGuestDebug(_ debug: GuestDebug) throws(KVMError) {
        var request = kvm_guest_debug()
        if !debug.isOff { request.control |= UInt32(KVM_GUESTDBG_ENABLE) }
        if debug.singleStep { request.control |= UInt32(KVM_GUESTDBG_SINGLESTEP) }
        if debug.softwareBreakpoints { request.control |= UInt32(KVM_GUESTDBG_USE_SW_BP) }
        if !debug.breakpoints.isEmpty || !debug.watchpoints.isEmpty {
            request.control |= UInt32(KVM_GUESTDBG_USE_HW)
        }
        // SAFETY: the four arrays have room for KVM_ARM_MAX_DBG_REGS words each; `store` checks that bound.
        withUnsafeMutableBytes(of: &request.arch.dbg_bcr) { Self.store(debug.breakpoints, \.control, in: $0) }
        withUnsafeMutableBytes(of: &request.arch.dbg_bvr) { Self.store(debug.breakpoints, \.value, in: $0) }
        withUnsafeMutableBytes(of: &request.arch.dbg_wcr) { Self.store(debug.watchpoints, \.control, in: $0) }
        withUnsafeMutableBytes(of: &request.arch.dbg_wvr) { Self.store(debug.watchpoints, \.value, in: $0) }
        try descriptor.set("KVM_SET_GUEST_DEBUG", REQUEST_SET_GUEST_DEBUG, &request)
    }

    private static func store(
        _ slots: [GuestDebug.Slot], _ word: KeyPath<GuestDebug.Slot, UInt64>, in bytes: UnsafeMutableRawBufferPointer
    ) {
        for (i, slot) in slots.enumerated() {
            bytes.storeBytes(of: slot[keyPath: word], toByteOffset: i * 8, as: UInt64.self)
        }
    }

    /// The levels of the devices that are the processor's own, as of the last exit, an interrupted one too: with
    /// KVM_CAP_ARM_USER_IRQ and no interrupt controller in the kernel.
    package var deviceInterrupts: DeviceInterrupts { page.deviceInterrupts }

    /// Makes the instruction at the program counter end in a data abort that comes from outside, as where nothing
    /// answers. The corresponding requests are `KVM_GET_VCPU_EVENTS` and `KVM_SET_VCPU_EVENTS`.
    package func abortAccess() throws(KVMError) {
        var events = kvm_vcpu_events()
        try descriptor.set("KVM_GET_VCPU_EVENTS", REQUEST_GET_VCPU_EVENTS, &events)
        events.exception.ext_dabt_pending = 1
        try descriptor.set("KVM_SET_VCPU_EVENTS", REQUEST_SET_VCPU_EVENTS, &events)
    }
}
#endif
