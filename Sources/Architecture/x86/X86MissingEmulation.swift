// What KVM leaves out where it emulates kernel mode in software: outside long mode there is no IRET, and CR0.PG is not
// set, or the processor shuts down where it should be.

import Primitives

/// Why a guest cannot go on, where that is the host's doing.
package enum X86MissingEmulation: Equatable, Sendable {
    case interruptReturn
    case paging

    /// Nil where neither the instruction nor the state in which the guest stopped at it shows one.
    package init?(_ instruction: [UInt8], _ file: RegisterFile) {
        switch X86.mode(file) {
        case .long, .compatibility: return nil
        case .real, .virtual8086, .protected16, .protected32: break
        }
        // Behind prefixes of operand and address size.
        let code = instruction.drop { $0 == 0x66 || $0 == 0x67 }
        let cr0 = file.field(X86.Field.cr0)
        if code.first == 0xcf {
            self = .interruptReturn
        } else if Self.setsPaging(Array(code), file)
            || cr0[bit: 0] && !cr0[bit: 31] && file.field(X86.Field.cr3) != 0
        {
            self = .paging
        } else {
            return nil
        }
    }

    /// MOV to CR0 (0f 22 /0) of a value with PG.
    private static func setsPaging(_ code: [UInt8], _ file: RegisterFile) -> Bool {
        guard code.count >= 3, code[0] == 0x0f, code[1] == 0x22, code[2] & 0x38 == 0 else { return false }
        // By their numbers in an instruction: EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI.
        let offset = [0, 16, 24, 8, 48, 56, 32, 40][Int(code[2] & 7)]
        return file.field(X86.Storage.general + offset)[bit: 31]
    }
}

extension X86MissingEmulation: CustomStringConvertible {
    package var description: String {
        switch self {
        case .interruptReturn: "an IRET outside long mode, which this host's KVM does not emulate"
        case .paging: "paging outside long mode, which this host's KVM does not emulate"
        }
    }
}
