#if arch(x86_64)
// arm64's requests on x86 hosts, which refuse them; `VM+arm64` and `VCPU+arm64` say what each is.

package struct ProcessorKind: Sendable {
    package func starting(isOff: Bool) -> ProcessorKind { self }
}

extension VM {
    package func hostProcessor() throws(KVMError) -> ProcessorKind { throw absent("KVM_ARM_PREFERRED_TARGET") }

    package func exitOnUndecodedAccesses() throws(KVMError) { throw absent("KVM_CAP_ARM_NISV_TO_USER") }
}

extension VCPU {
    package func initialise(as kind: ProcessorKind) throws(KVMError) { throw absent("KVM_ARM_VCPU_INIT") }

    package func registerIdentities() throws(KVMError) -> [UInt64] { throw absent("KVM_GET_REG_LIST") }

    package func get(_ identity: UInt64, into storage: inout [UInt8], at offset: Int) throws(KVMError) {
        throw absent("KVM_GET_ONE_REG")
    }

    package func set(_ identity: UInt64, from storage: [UInt8], at offset: Int) throws(KVMError) {
        throw absent("KVM_SET_ONE_REG")
    }

    package var deviceInterrupts: DeviceInterrupts { [] }

    package func abortAccess() throws(KVMError) { throw absent("KVM_SET_VCPU_EVENTS") }
}
#endif
