import Primitives

extension LocalAPIC {
    /// A kernel's local APIC, from its page of registers (Documentation/virt/kvm/api.rst, KVM_GET_LAPIC) and
    /// IA32_APIC_BASE. For views: its timer stands.
    package init(_ state: LocalAPICRegisters, base: UInt64, processor: Int, isRunning: Bool) {
        self.init(processor: processor, features: Features())
        self.base = base
        activity = isRunning ? .running : .waitingForStartUp
        id = state.id
        taskPriority = state.taskPriority
        logicalID = UInt8(truncatingIfNeeded: state.register(LocalAPICRegisters.Offset.logicalDestination) >> 24)
        destinationFormat = state.register(LocalAPICRegisters.Offset.destinationFormat)
        spuriousVector = state.register(LocalAPICRegisters.Offset.spuriousVector)
        inService = state.inService
        triggerMode = state.triggerMode
        interruptRequest = state.interruptRequest
        errorStatus = state.errorStatus
        command = state.register(LocalAPICRegisters.Offset.interruptCommand)
        commandHigh = state.register(LocalAPICRegisters.Offset.interruptCommandHigh)
        for source in LocalVector.Source.allCases where source != .correctedMachineCheck {
            self[source] = LocalVector(rawValue: state.register(source.rawValue))
        }
    }
}
