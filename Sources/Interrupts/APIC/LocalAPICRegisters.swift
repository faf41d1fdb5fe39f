// The local APIC's registers as a page of 16-byte slots: Intel SDM volume 3, section 11.4.1, table 11-1. This is the
// shape in which KVM_GET_LAPIC gives them (the first 1 KiB of the page), so a kernel's APIC and a model's are read
// with the same words. A view only: the model that makes interrupts out of register writes is not here.

import Primitives

/// A copy of the register page, decoded on demand.
package struct LocalAPICRegisters: Equatable, Sendable {
    /// Bytes of the page that hold registers.
    package static let size = 0x400

    /// Offsets in the page.
    package enum Offset {
        package static let id = 0x020
        package static let version = 0x030
        package static let taskPriority = 0x080
        package static let arbitrationPriority = 0x090
        package static let processorPriority = 0x0a0
        package static let logicalDestination = 0x0d0
        package static let destinationFormat = 0x0e0
        package static let spuriousVector = 0x0f0
        package static let inService = 0x100
        package static let triggerMode = 0x180
        package static let interruptRequest = 0x200
        package static let errorStatus = 0x280
        package static let interruptCommand = 0x300
        package static let interruptCommandHigh = 0x310
        package static let timerInitialCount = 0x380
        package static let timerCurrentCount = 0x390
        package static let timerDivide = 0x3e0
    }

    private let bytes: [UInt8]
    /// The ID and ICR destination are 32 bits wide (IA32_APIC_BASE bit 10, KVM_X2APIC_API_USE_32BIT_IDS).
    package let isX2APIC: Bool

    /// Nil when `page` holds less than `size` bytes.
    package init?(_ page: [UInt8], isX2APIC: Bool = false) {
        guard page.count >= Self.size else { return nil }
        bytes = page
        self.isX2APIC = isX2APIC
    }

    /// The 32-bit register at `offset`, a multiple of 16 below `size`.
    package func register(_ offset: Int) -> UInt32 { bytes.number(at: offset, count: 4) }

    private func vectors(at offset: Int) -> VectorSet {
        var set = VectorSet()
        for vector in UInt8.min...UInt8.max
        where register(offset + Int(vector >> 5) * 16)[bit: Int(vector & 31)] { set.insert(vector) }
        return set
    }

    package var id: UInt32 { isX2APIC ? register(Offset.id) : register(Offset.id) >> 24 }
    /// 0x10 to 0x15 for an integrated APIC.
    package var version: UInt8 { UInt8(register(Offset.version)[bits: 0...7]) }
    /// How many local vector table entries there are.
    package var localVectorCount: Int { Int(register(Offset.version)[bits: 16...23]) + 1 }

    package var taskPriority: UInt8 { UInt8(register(Offset.taskPriority) & 0xff) }
    package var arbitrationPriority: UInt8 { UInt8(register(Offset.arbitrationPriority) & 0xff) }
    package var processorPriority: UInt8 { UInt8(register(Offset.processorPriority) & 0xff) }
    /// LDR: all 32 bits in x2APIC mode, else the 8 that count.
    package var logicalDestination: UInt32 {
        isX2APIC ? register(Offset.logicalDestination) : register(Offset.logicalDestination) >> 24
    }
    /// DFR bits 31 to 28: 0xf is the flat model, 0 the cluster model.
    package var destinationModel: UInt8 { UInt8(register(Offset.destinationFormat) >> 28) }

    package var isSoftwareEnabled: Bool { register(Offset.spuriousVector)[bit: 8] }
    package var spuriousVector: UInt8 { UInt8(register(Offset.spuriousVector) & 0xff) }

    /// Being handled: delivered to the processor, EOI still to come.
    package var inService: VectorSet { vectors(at: Offset.inService) }
    /// Level-triggered, of those that were accepted.
    package var triggerMode: VectorSet { vectors(at: Offset.triggerMode) }
    /// Accepted and waiting for the processor.
    package var interruptRequest: VectorSet { vectors(at: Offset.interruptRequest) }
    package var errorStatus: UInt32 { register(Offset.errorStatus) }

    /// The processor priority as it follows from TPR and ISR (SDM volume 3, section 11.8.3.1).
    package var effectivePriority: UInt8 {
        let service = inService.highest ?? 0
        return taskPriority >> 4 >= service >> 4 ? taskPriority : service & 0xf0
    }

    /// The vector the processor would take next, IF permitting: the highest requested, if its class is above the
    /// processor priority's. Switching the APIC off by software holds back what comes, not what waits (section
    /// 11.4.7.2).
    package var nextVector: UInt8? {
        guard let vector = interruptRequest.highest else { return nil }
        return vector >> 4 > effectivePriority >> 4 ? vector : nil
    }

    package var command: InterruptCommand {
        InterruptCommand(
            low: register(Offset.interruptCommand), high: register(Offset.interruptCommandHigh), isX2APIC: isX2APIC
        )
    }

    package func localVector(_ source: LocalVector.Source) -> LocalVector {
        LocalVector(rawValue: register(source.rawValue))
    }

    package var timerInitialCount: UInt32 { register(Offset.timerInitialCount) }
    package var timerCurrentCount: UInt32 { register(Offset.timerCurrentCount) }

    /// What the bus clock is divided by: 1 to 128 (SDM volume 3, figure 11-10).
    package var timerDivisor: Int {
        let code = register(Offset.timerDivide)
        let exponent = code[bits: 3...3] << 2 | code[bits: 0...1]
        return exponent == 7 ? 1 : 2 << Int(exponent)
    }
}
