import Primitives

/// ESR_EL1, or the ESR that KVM hands over with a debug exit: why an exception was taken (Arm ARM, chapter D19, ESR_EL1).
package struct Arm64Syndrome: Equatable, Sendable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// EC, bits 26 to 31.
    package var exceptionClass: Arm64ExceptionClass { Arm64ExceptionClass(rawValue: UInt8(rawValue[bits: 26...31])) }
    /// IL: the instruction has 32 bits.
    package var isLong: Bool { rawValue[bit: 25] }
    /// ISS, bits 0 to 24: its meaning depends on the class.
    package var specifics: UInt64 { rawValue[bits: 0...24] }

    /// BRK's, SVC's, HVC's or SMC's number.
    package var comment: UInt16 { UInt16(specifics[bits: 0...15]) }

    /// DFSC or IFSC of an abort.
    package var faultStatus: Arm64FaultStatus { Arm64FaultStatus(rawValue: UInt8(specifics[bits: 0...5])) }

    /// WnR of a data abort or watchpoint: the access was a write. Cache maintenance counts as one.
    package var isWrite: Bool { specifics[bit: 6] }

    /// FnV: FAR_EL1 does not have the address.
    package var lacksAddress: Bool { specifics[bit: 10] }

    /// Whether FAR_EL1 has an address for it.
    package var hasFaultAddress: Bool {
        switch exceptionClass {
        case .instructionAbortLower, .instructionAbortSame, .dataAbortLower, .dataAbortSame: !lacksAddress
        case .misalignedProgramCounter: true
        default: false
        }
    }

    /// The register of a trapped MSR or MRS, and whether it was to be read.
    package var systemAccess: (register: Arm64SystemEncoding, isRead: Bool) {
        let iss = specifics
        func field(_ bits: ClosedRange<Int>) -> UInt8 { UInt8(iss[bits: bits]) }
        return (
            Arm64SystemEncoding(field(20...21), field(14...16), field(10...13), field(1...4), field(17...19)),
            iss[bit: 0]
        )
    }
}

extension Arm64Syndrome: CustomStringConvertible {
    /// In words: "data abort from EL0: translation fault, level 3, on a write".
    package var description: String {
        let name = exceptionClass.name
        switch exceptionClass {
        case .instructionAbortLower, .instructionAbortSame: return "\(name): \(faultStatus)"
        case .dataAbortLower, .dataAbortSame: return "\(name): \(faultStatus), on a \(isWrite ? "write" : "read")"
        case .watchpointLower, .watchpointSame: return "\(name), on a \(isWrite ? "write" : "read")"
        case .breakpointInstruction, .supervisorCall, .hypervisorCall, .secureMonitorCall:
            return "\(name) #\(hexadecimal(comment))"
        case .systemRegister:
            let access = systemAccess
            return "\(name): \(access.isRead ? "MRS from" : "MSR to") \(Arm64.name(of: access.register))"
        default: return name
        }
    }
}

/// EC: what kind of exception it is.
package struct Arm64ExceptionClass: Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let unknown = Self(rawValue: 0x00)
    package static let wait = Self(rawValue: 0x01)
    package static let vectorAccess = Self(rawValue: 0x07)
    package static let illegalState = Self(rawValue: 0x0e)
    package static let supervisorCall = Self(rawValue: 0x15)
    package static let hypervisorCall = Self(rawValue: 0x16)
    package static let secureMonitorCall = Self(rawValue: 0x17)
    package static let systemRegister = Self(rawValue: 0x18)
    package static let instructionAbortLower = Self(rawValue: 0x20)
    package static let instructionAbortSame = Self(rawValue: 0x21)
    package static let misalignedProgramCounter = Self(rawValue: 0x22)
    package static let dataAbortLower = Self(rawValue: 0x24)
    package static let dataAbortSame = Self(rawValue: 0x25)
    package static let misalignedStack = Self(rawValue: 0x26)
    package static let breakpointLower = Self(rawValue: 0x30)
    package static let breakpointSame = Self(rawValue: 0x31)
    package static let stepLower = Self(rawValue: 0x32)
    package static let stepSame = Self(rawValue: 0x33)
    package static let watchpointLower = Self(rawValue: 0x34)
    package static let watchpointSame = Self(rawValue: 0x35)
    package static let breakpointInstruction = Self(rawValue: 0x3c)

    package static let systemError = Self(rawValue: 0x2f)

    /// Those that EL1 takes from AArch64 and that KVM leaves to it, by rising number.
    package static let taken: [Arm64ExceptionClass] = [
        0x00, 0x01, 0x07, 0x09, 0x0a, 0x0d, 0x0e, 0x15, 0x18, 0x19, 0x1c, 0x1d, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26,
        0x27, 0x2c, 0x2d, 0x2f, 0x3c,
    ].map(Self.init(rawValue:))

    /// `taken` without SError.
    package static let synchronous = Set(taken).subtracting([.systemError])

    /// Its name as a word, the same for those from EL0: "data-abort".
    package var word: String {
        let name = self == .unknown ? "undefined" : name.lowercased()
        let end = [" from a lower level", " in a lower level"].first { name.hasSuffix($0) }
        return name.dropLast(end?.count ?? 0).split(separator: " ").joined(separator: "-")
    }

    /// Whether it is a debug exception, which KVM ends a guest's run with.
    package var isDebug: Bool { (0x30...0x35).contains(rawValue) || self == .breakpointInstruction }

    package var name: String { Self.names[rawValue] ?? "reserved exception class \(hexadecimal(rawValue))" }

    /// "Lower" is EL0 where the exception was taken to EL1.
    private static let names: [UInt8: String] = [
        0x00: "unknown reason", 0x01: "trapped WFI or WFE", 0x03: "trapped MCR or MRC (coprocessor 15)",
        0x04: "trapped MCRR or MRRC (coprocessor 15)", 0x05: "trapped MCR or MRC (coprocessor 14)",
        0x06: "trapped LDC or STC", 0x07: "trapped FP or SIMD access", 0x08: "trapped VMRS",
        0x09: "trapped pointer authentication", 0x0a: "trapped LD64B or ST64B",
        0x0c: "trapped MRRC (coprocessor 14)", 0x0d: "branch target exception", 0x0e: "illegal execution state",
        0x11: "SVC (AArch32)", 0x12: "HVC (AArch32)", 0x13: "SMC (AArch32)", 0x15: "SVC", 0x16: "HVC", 0x17: "SMC",
        0x18: "trapped system instruction", 0x19: "trapped SVE access", 0x1a: "trapped ERET",
        0x1c: "pointer authentication failure", 0x1d: "trapped SME access",
        0x20: "instruction abort from a lower level", 0x21: "instruction abort", 0x22: "misaligned PC",
        0x24: "data abort from a lower level", 0x25: "data abort", 0x26: "misaligned SP",
        0x27: "memory copy or set exception", 0x28: "floating-point exception (AArch32)",
        0x2c: "floating-point exception", 0x2d: "guarded control stack exception", 0x2f: "SError",
        0x30: "breakpoint in a lower level", 0x31: "breakpoint", 0x32: "software step in a lower level",
        0x33: "software step", 0x34: "watchpoint in a lower level", 0x35: "watchpoint", 0x38: "BKPT (AArch32)",
        0x3a: "vector catch (AArch32)", 0x3c: "BRK",
    ]
}

/// DFSC and IFSC: what an abort came from.
package struct Arm64FaultStatus: Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Codes with a table level in their low two bits: the first of each four.
    private static let leveled: [UInt8: String] = [
        0x00: "address size fault", 0x04: "translation fault", 0x08: "access flag fault", 0x0c: "permission fault",
        0x14: "external abort on a table walk", 0x1c: "parity or ECC error on a table walk",
    ]

    private static let single: [UInt8: String] = [
        0x10: "external abort", 0x11: "tag check fault", 0x13: "external abort on a table walk, level -1",
        0x18: "parity or ECC error", 0x1b: "parity or ECC error on a table walk, level -1", 0x21: "alignment fault",
        0x22: "debug exception", 0x29: "address size fault, level -1", 0x2b: "translation fault, level -1",
        0x30: "TLB conflict", 0x31: "unsupported atomic hardware update", 0x34: "lockdown",
        0x35: "unsupported exclusive or atomic access",
    ]

    /// The level of the table that a walk ended at, where the code has one.
    package var level: Int? {
        if Self.leveled[rawValue & ~3] != nil { return Int(rawValue & 3) }
        return [0x13, 0x1b, 0x29, 0x2b].contains(rawValue) ? -1 : nil
    }

    package var description: String {
        if let name = Self.single[rawValue] { return name }
        if let name = Self.leveled[rawValue & ~3] { return "\(name), level \(rawValue & 3)" }
        return "fault status \(hexadecimal(rawValue))"
    }
}
