/// The few x86 instructions that a debugger must know by their bytes (Intel SDM volume 2).
package enum X86Instruction: Equatable, Sendable {
    /// INT3, `cc`.
    case breakpoint
    /// INT n, `cd nn`.
    case softwareInterrupt(vector: UInt8)
    /// HLT, `f4`.
    case halt
    case other

    /// The longest instruction there is, in bytes (Intel SDM volume 2, section 2.3.11).
    package static let maximumLength = 15

    /// The opcode of the one-byte breakpoint.
    package static let breakpointOpcode: UInt8 = 0xcc
    /// IN EAX, DX; in 16-bit code IN AX, DX: the one-byte instruction that leaves the guest wherever it is allowed, and is a
    /// general-protection fault where it is not (Intel SDM volume 2, IN).
    package static let portReadOpcode: UInt8 = 0xed

    package init(_ bytes: [UInt8]) {
        var iterator = bytes.makeIterator()
        switch iterator.next() {
        case 0xcc: self = .breakpoint
        case 0xcd: self = iterator.next().map { .softwareInterrupt(vector: $0) } ?? .other
        case 0xf4: self = .halt
        default: self = .other
        }
    }

    /// Bytes of those that are recognised.
    package var length: Int {
        switch self {
        case .breakpoint, .halt: 1
        case .softwareInterrupt: 2
        case .other: 0
        }
    }
}

extension X86Instruction {
    package static let prefixes: Set<UInt8> = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]

    /// Bytes before the opcode: legacy prefixes, and in 64-bit code one REX prefix.
    static func prefixCount(_ bytes: [UInt8], isLong: Bool) -> Int {
        let legacy = bytes.prefix { prefixes.contains($0) }.count
        return isLong && legacy < bytes.count && bytes[legacy] & 0xf0 == 0x40 ? legacy + 1 : legacy
    }

    /// Whether the processor reads and writes memory as one: a LOCK prefix, or XCHG.
    package static func isAtomic(_ bytes: [UInt8], isLong: Bool) -> Bool {
        let count = prefixCount(bytes, isLong: isLong)
        return bytes.prefix(count).contains(0xf0) || bytes.dropFirst(count).first.map { $0 & 0xfe == 0x86 } == true
    }

    /// The length of a repeated string instruction, REP or REPNE with MOVS, CMPS, STOS, LODS, SCAS, INS or OUTS; nil
    /// for all others.
    package static func repeatedLength(_ bytes: [UInt8], isLong: Bool) -> Int? {
        let count = prefixCount(bytes, isLong: isLong)
        guard count < bytes.count, bytes.prefix(count).contains(where: { $0 & 0xfe == 0xf2 }) else { return nil }
        switch bytes[count] {
        case 0x6c...0x6f, 0xa4...0xa7, 0xaa...0xaf: return count + 1
        default: return nil
        }
    }
}
