// One local APIC (Intel SDM volume 3, chapter 11 "Advanced Programmable Interrupt Controller"): its state, and what
// resets it. The registers are in LocalAPIC+Read and +Write, what becomes of a vector in +Priority, the local vector
// table in +LocalVectors, the timer in LocalAPICTimer. It knows nothing of the others: what it sends leaves as a value.
//
// It is a Pentium 4's or later: integrated, messages over the system bus, six entries in the local vector table, no
// arbitration priority register (reads 0), no focus processor, no errors of the three-wire bus (ESR bits 0 to 3), and
// it can send lowest-priority messages (ESR bit 4 stays clear).

import Primitives

/// The interrupt controller of one processor.
package struct LocalAPIC: Equatable, Sendable {
    /// What CPUID and the version register promise.
    package struct Features: Hashable, Sendable {
        /// CPUID.1:ECX bit 21.
        package var hasX2APIC = true
        /// CPUID.1:ECX bit 24.
        package var hasDeadlineTimer = true
        /// Version register bit 24: SVR bit 12 keeps EOIs from the I/O APIC.
        package var suppressesEOI = true
        /// MAXPHYADDR, of which the base register takes no more.
        package var physicalAddressBits = 46

        package init() {}
    }

    /// Bits 11 and 10 of IA32_APIC_BASE (section 11.12.1, table 11-5).
    package enum Mode: Sendable {
        case disabled
        case xAPIC
        case x2APIC
    }

    /// What the processor does as far as INIT and start-up messages decide it (section 9.4).
    package enum Activity: Sendable {
        case running
        /// After INIT on an application processor: only a start-up message ends it.
        case waitingForStartUp
    }

    package let features: Features
    /// Its number among the machine's processors: the APIC id it comes with.
    package let processor: Int

    /// IA32_APIC_BASE.
    package internal(set) var base: UInt64
    package internal(set) var activity: Activity
    /// 8 bits that software may change in xAPIC mode, 32 fixed ones in x2APIC mode.
    package internal(set) var id: UInt32
    package internal(set) var taskPriority: UInt8 = 0
    /// LDR of xAPIC mode, bits 31 to 24.
    var logicalID: UInt8 = 0
    /// DFR.
    var destinationFormat: UInt32 = ~0
    /// SVR.
    package internal(set) var spuriousVector: UInt32 = 0xff
    package internal(set) var inService = VectorSet()
    package internal(set) var triggerMode = VectorSet()
    package internal(set) var interruptRequest = VectorSet()
    /// Errors since ESR was last written, and what a read gives.
    var errors: UInt32 = 0
    package internal(set) var errorStatus: UInt32 = 0
    /// ESR was written since the last error interrupt.
    var isErrorInterruptArmed = true
    var command: UInt32 = 0
    /// ICR bits 63 to 32 as they were written.
    var commandHigh: UInt32 = 0
    /// By `LocalVector.Source.index`.
    var localVectors = SIMD8<UInt32>(repeating: LocalVector.maskBit)
    var timer = LocalAPICTimer()
    /// The levels of LINT0 and LINT1, as bits.
    var pins: UInt8 = 0
    /// The I/O APIC asked for an interrupt of the 8259 in an ExtINT message.
    package internal(set) var hasExternalRequest = false

    /// As after power-up. Processor 0 boots, the others wait for their start-up message.
    package init(processor: Int, features: Features) {
        self.processor = processor
        self.features = features
        id = UInt32(processor)
        base = Self.defaultBase | Base.enable | (processor == 0 ? Base.bootProcessor : 0)
        activity = processor == 0 ? .running : .waitingForStartUp
        resetRegisters()
    }

    /// Section 11.4.7.1, "Local APIC State After Power-Up or Reset". LINT0 of the boot processor passes the 8259's
    /// interrupts on, as a PC's firmware and KVM set it up.
    mutating func resetRegisters() {
        taskPriority = 0
        logicalID = 0
        destinationFormat = ~0
        spuriousVector = 0xff
        inService = VectorSet()
        triggerMode = VectorSet()
        interruptRequest = VectorSet()
        errors = 0
        errorStatus = 0
        isErrorInterruptArmed = true
        command = 0
        commandHigh = 0
        localVectors = SIMD8(repeating: LocalVector.maskBit)
        if isBootProcessor { self[.lint0] = LocalVector(rawValue: UInt32(DeliveryMode.external.rawValue) << 8) }
        timer = LocalAPICTimer()
        hasExternalRequest = false
    }

    /// A machine reset: section 11.4.7.1.
    package mutating func reset() {
        let pins = self.pins
        self = Self(processor: processor, features: features)
        self.pins = pins
    }

    /// INIT reached the processor: section 11.4.7.3. The id and IA32_APIC_BASE stay.
    mutating func receiveInit() {
        resetRegisters()
        activity = isBootProcessor ? .running : .waitingForStartUp
    }

    /// A start-up message came: whether the processor starts. One that runs ignores it.
    mutating func receiveStartUp() -> Bool {
        guard activity == .waitingForStartUp else { return false }
        activity = .running
        return true
    }

    subscript(source: LocalVector.Source) -> LocalVector {
        get { LocalVector(rawValue: localVectors[source.index]) }
        set { localVectors[source.index] = newValue.rawValue }
    }

    /// One entry of the local vector table.
    package func localVector(_ source: LocalVector.Source) -> LocalVector { self[source] }

    package var isBootProcessor: Bool { base & Base.bootProcessor != 0 }
    /// SVR bit 8.
    package var isSoftwareEnabled: Bool { spuriousVector[bit: 8] }
    /// Whether EOIs stay here: SVR bit 12.
    var keepsEOI: Bool { features.suppressesEOI && spuriousVector[bit: 12] }

    package var version: UInt32 { 0x0005_0014 | (features.suppressesEOI ? 1 << 24 : 0) }

    /// LDR as a read gives it: in x2APIC mode it follows from the id (section 11.12.10.2).
    package var logicalDestination: UInt32 {
        mode == .x2APIC ? (id >> 4) << 16 | 1 << (id & 15) : UInt32(logicalID) << 24
    }
}

extension LocalVector {
    static let maskBit: UInt32 = 1 << 16
}
