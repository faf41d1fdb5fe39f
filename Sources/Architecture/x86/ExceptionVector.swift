// The exceptions and interrupts that an x86 processor raises itself: Intel SDM volume 3, section 6.3.1 and table 6-1;
// vectors 28 to 30 from the AMD64 manual volume 2, chapter 8. One table; the rule for two at once is in
// ExceptionVector+Combination.swift.

/// A vector of the interrupt descriptor table, 0 to 255. The processor's own are in `table`.
package struct ExceptionVector: Hashable, Sendable {
    package let rawValue: UInt8

    package init(_ rawValue: UInt8) { self.rawValue = rawValue }

    /// Where the saved instruction pointer points, and whether the program can go on.
    package enum Class: String, Sendable {
        /// At the instruction, which can be run again.
        case fault
        /// After the instruction.
        case trap
        /// A debug exception is either, by its cause.
        case faultOrTrap = "fault or trap"
        /// Nowhere dependable.
        case abort
        /// Not of an instruction's making.
        case interrupt
    }

    /// How it counts when it meets another: SDM volume 3, table 6-4.
    package enum Severity: Sendable {
        case benign
        case contributory
        case pageFault
        case doubleFault
    }

    /// One row of the table.
    package struct Description: Sendable {
        package let vector: UInt8
        /// As the manuals write it, "#PF".
        package let mnemonic: String
        package let name: String
        package let kind: Class
        package let pushesErrorCode: Bool
        package let severity: Severity
    }

    package static let divideError = Self(0)
    package static let debug = Self(1)
    package static let nonMaskableInterrupt = Self(2)
    package static let breakpoint = Self(3)
    package static let invalidOpcode = Self(6)
    package static let doubleFault = Self(8)
    package static let invalidTSS = Self(10)
    package static let segmentNotPresent = Self(11)
    package static let stackFault = Self(12)
    package static let generalProtection = Self(13)
    package static let pageFault = Self(14)
    package static let deviceNotAvailable = Self(7)
    package static let simdException = Self(19)

    /// Every vector with a meaning of its own, by rising number. The AMD rows have no place in Intel's severity table.
    package static let table: [Description] = [
        row(0, "#DE", "divide error", .fault, severity: .contributory),
        row(1, "#DB", "debug", .faultOrTrap),
        row(2, "NMI", "non-maskable interrupt", .interrupt),
        row(3, "#BP", "breakpoint", .trap),
        row(4, "#OF", "overflow", .trap),
        row(5, "#BR", "bound range exceeded", .fault),
        row(6, "#UD", "invalid opcode", .fault),
        row(7, "#NM", "device not available", .fault),
        row(8, "#DF", "double fault", .abort, errorCode: true, severity: .doubleFault),
        row(9, "vector 9", "coprocessor segment overrun", .fault),
        row(10, "#TS", "invalid TSS", .fault, errorCode: true, severity: .contributory),
        row(11, "#NP", "segment not present", .fault, errorCode: true, severity: .contributory),
        row(12, "#SS", "stack-segment fault", .fault, errorCode: true, severity: .contributory),
        row(13, "#GP", "general protection", .fault, errorCode: true, severity: .contributory),
        row(14, "#PF", "page fault", .fault, errorCode: true, severity: .pageFault),
        row(16, "#MF", "x87 floating-point error", .fault),
        row(17, "#AC", "alignment check", .fault, errorCode: true),
        row(18, "#MC", "machine check", .abort),
        row(19, "#XM", "SIMD floating-point exception", .fault),
        row(20, "#VE", "virtualization exception", .fault, severity: .pageFault),
        row(21, "#CP", "control protection", .fault, errorCode: true, severity: .contributory),
        row(28, "#HV", "hypervisor injection", .interrupt),
        row(29, "#VC", "VMM communication", .fault, errorCode: true),
        row(30, "#SX", "security exception", .fault, errorCode: true),
    ]

    /// Every vector of the table that the program's own instructions raise.
    package static let exceptions = Set(table.filter { $0.kind != .interrupt }.map(\.vector))

    private static let byVector: [Description?] = {
        var rows = [Description?](repeating: nil, count: 256)
        for row in table { rows[Int(row.vector)] = row }
        return rows
    }()

    private static func row(
        _ vector: UInt8, _ mnemonic: String, _ name: String, _ kind: Class, errorCode: Bool = false,
        severity: Severity = .benign
    ) -> Description {
        Description(
            vector: vector, mnemonic: mnemonic, name: name, kind: kind, pushesErrorCode: errorCode, severity: severity
        )
    }

    /// The row of a vector that has one.
    package var known: Description? { Self.byVector[Int(rawValue)] }

    /// Whether an error code is pushed outside real mode.
    package var pushesErrorCode: Bool { known?.pushesErrorCode ?? false }

    /// Interrupts from outside and software interrupts are benign.
    package var severity: Severity { known?.severity ?? .benign }

    /// "#PF" or "vector 32".
    package var mnemonic: String { known?.mnemonic ?? "vector \(rawValue)" }

    /// The vector with this mnemonic, of either case, with or without "#": for commands.
    package init?(mnemonic text: String) {
        func bare(_ text: String) -> String { (text.first == "#" ? String(text.dropFirst()) : text).uppercased() }
        guard let row = Self.table.first(where: { bare($0.mnemonic) == bare(text) }) else { return nil }
        self.init(row.vector)
    }
}

extension ExceptionVector: CustomStringConvertible {
    /// "#PF (14, page fault)" or "vector 32".
    package var description: String {
        known.map { "\($0.mnemonic) (\($0.vector), \($0.name))" } ?? mnemonic
    }
}
