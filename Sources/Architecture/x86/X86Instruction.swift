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

    package init(_ bytes: some Collection<UInt8>) {
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
