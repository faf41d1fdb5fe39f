#if arch(arm64)
import Primitives

// x86's requests on arm64 hosts, which refuse them; the files `+x86_64` say what each is.

package struct InterruptControllerState: Sendable {
    package func isInService(_ vector: UInt8) -> Bool { false }
    package func bytes(of chip: InterruptChip) -> [UInt8] { [] }
    package mutating func setBytes(_ bytes: [UInt8], of chip: InterruptChip) {}
}

extension RegisterBlock {
    package var size: Int { 0 }
}

extension System {
    package func supportedProcessor() throws(KVMError) -> [CPUIDEntry] { throw absent("KVM_GET_SUPPORTED_CPUID") }
    package func modelSpecificRegisters() throws(KVMError) -> [UInt32] { throw absent("KVM_GET_MSR_INDEX_LIST") }
}

extension System {
    package var synchronisesRegisters: Bool { false }
    package var blocksInterrupts: Bool { false }
}

extension VM {
    package func reserveIntelPages(at address: PhysicalAddress) throws(KVMError) { throw absent("KVM_SET_TSS_ADDR") }
    package func makeInterruptControllers() throws(KVMError) { throw absent("KVM_CREATE_IRQCHIP") }
    package func makeLocalAPICs(pins: Int) throws(KVMError) { throw absent("KVM_CAP_SPLIT_IRQCHIP") }
    package func makeTimer() throws(KVMError) { throw absent("KVM_CREATE_PIT2") }
    package func exitOnFilteredRegisters(andUnknown: Bool) throws(KVMError) {
        throw absent("KVM_CAP_X86_USER_SPACE_MSR")
    }
    package func filter(_ registers: [FilteredRegister]) throws(KVMError) { throw absent("KVM_X86_SET_MSR_FILTER") }
    package func interruptControllerState(withTimer: Bool = true) throws(KVMError) -> InterruptControllerState {
        throw absent("KVM_GET_IRQCHIP")
    }
    package func setInterruptControllers(_ state: InterruptControllerState) throws(KVMError) {
        throw absent("KVM_SET_IRQCHIP")
    }
}

// Registers.
extension VCPU {
    package func setProcessor(_ entries: [CPUIDEntry]) throws(KVMError) { throw absent("KVM_SET_CPUID2") }
    package func get(_ block: RegisterBlock) throws(KVMError) -> [UInt8] { throw absent("KVM_GET_SREGS") }
    package func get(_ block: RegisterBlock, into storage: inout [UInt8], at offset: Int) throws(KVMError) {
        throw absent("KVM_GET_SREGS")
    }
    package func set(_ block: RegisterBlock, from storage: [UInt8], at offset: Int) throws(KVMError) {
        throw absent("KVM_SET_SREGS")
    }
    package func synchroniseRegisters() {}
    package func copySynchronised(general: Int, system: Int, into storage: inout [UInt8]) {}
    package func modelSpecific(_ indexes: [UInt32]) throws(KVMError) -> [UInt64] { throw absent("KVM_GET_MSRS") }
    package func modelSpecific(_ index: UInt32) throws(KVMError) -> UInt64? { throw absent("KVM_GET_MSRS") }
    package func setModelSpecific(_ index: UInt32, to value: UInt64) throws(KVMError) -> Bool {
        throw absent("KVM_SET_MSRS")
    }
    package func extendedControl() throws(KVMError) -> UInt64 { throw absent("KVM_GET_XCRS") }
    package func setExtendedControl(_ value: UInt64) throws(KVMError) { throw absent("KVM_SET_XCRS") }
    package func translate(_ address: VirtualAddress) throws(KVMError) -> PhysicalAddress? {
        throw absent("KVM_TRANSLATE")
    }
    package func markPause() throws(KVMError) -> Bool { throw absent("KVM_KVMCLOCK_CTRL") }
    package func timeStampFrequency() throws(KVMError) -> UInt64 { throw absent("KVM_GET_TSC_KHZ") }
}

// Events.
extension VCPU {
    package var acceptsInterrupt: Bool { false }
    package func requestInterruptWindow(_ on: Bool) {}
    package var interruptsEnabled: Bool { false }
    package var taskPriority: UInt8 {
        get { 0 }
        nonmutating set {}
    }
    package var synchronisedInstructionPointer: UInt64 { 0 }
    package func interrupt(_ vector: UInt8) throws(KVMError) -> Bool { throw absent("KVM_INTERRUPT") }
    package func interruptNonMaskably() throws(KVMError) { throw absent("KVM_NMI") }
    package func lastInterrupt() throws(KVMError) -> UInt8 { throw absent("KVM_GET_VCPU_EVENTS") }
    package func handlesNonMaskable() throws(KVMError) -> Bool { throw absent("KVM_GET_VCPU_EVENTS") }
    package func injectInterrupt(vector: UInt8) throws(KVMError) { throw absent("KVM_SET_VCPU_EVENTS") }
    package func injectSoftware(vector: UInt8, asException: Bool) throws(KVMError) {
        throw absent("KVM_SET_VCPU_EVENTS")
    }
    package func inject(exception vector: UInt8, errorCode: UInt32) throws(KVMError) {
        throw absent("KVM_SET_VCPU_EVENTS")
    }
    package func nonMaskable() throws(KVMError) -> (isPending: Bool, isBlocked: Bool) {
        throw absent("KVM_GET_VCPU_EVENTS")
    }
    package func returnFromHandler() throws(KVMError) { throw absent("KVM_SET_VCPU_EVENTS") }
}
#endif
