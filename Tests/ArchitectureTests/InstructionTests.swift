import Primitives
import Testing

@testable import Architecture

@Suite("Instructions known by their bytes")
struct InstructionTests {
    @Test("only INT3, INT n and HLT are known", arguments: 0...255 as ClosedRange<UInt8>)
    func firstByte(byte: UInt8) {
        let found = X86Instruction([byte, 0x80, 0x90])
        switch byte {
        case 0xcc: #expect(found == .breakpoint)
        case 0xcd: #expect(found == .softwareInterrupt(vector: 0x80))
        case 0xf4: #expect(found == .halt)
        default: #expect(found == .other)
        }
    }

    @Test("a length is the instruction's, and that of an unknown one 0")
    func lengths() {
        #expect(X86Instruction([0xcc]).length == 1)
        #expect(X86Instruction([0xcd, 3]).length == 2)
        #expect(X86Instruction([0xf4]).length == 1)
        #expect(X86Instruction([0x90]).length == 0)
    }

    @Test("an instruction that is cut off is not known")
    func cut() {
        #expect(X86Instruction([]) == .other)
        #expect(X86Instruction([0xcd]) == .other)
    }

    @Test("the bytes may be a slice of something larger")
    func slices() {
        let code: [UInt8] = [0x90, 0xcd, 0x21, 0xcc]
        #expect(X86Instruction(Array(code[1...])) == .softwareInterrupt(vector: 0x21))
        #expect(X86Instruction(Array(code[3...])) == .breakpoint)
        #expect(code[3] == X86Instruction.breakpointOpcode)
    }

    @Test(
        "LOCK and XCHG are atomic, other instructions are not",
        arguments: [
            ([0xf0, 0xff, 0x07], true),  // lock inc dword [rdi]
            ([0x2e, 0xf0, 0x48, 0x0f, 0xc1, 0x07], true),  // lock xadd [rdi], rax
            ([0x87, 0x07], true),  // xchg [rdi], eax
            ([0x48, 0x86, 0x07], true),  // xchg [rdi], al
            ([0xff, 0x07], false),  // inc dword [rdi]
            ([0x48, 0x8b, 0xf0], false),  // mov rsi, rax
            ([0xf3, 0xa4], false),  // rep movsb
            ([], false),
        ] as [([UInt8], Bool)])
    func atomic(bytes: [UInt8], expected: Bool) {
        #expect(X86Instruction.isAtomic(bytes, isLong: true) == expected)
    }

    @Test(
        "a repeated string instruction is as long as its prefixes and one byte",
        arguments: [
            ([0xf3, 0xa4, 0x90], 2), ([0xf3, 0x48, 0xab], 3), ([0xf2, 0x66, 0xaf], 3), ([0x66, 0xf3, 0x6c], 3),
            ([0xa4], nil), ([0xf3, 0x90], nil), ([0xf3, 0x0f, 0xb8, 0x07], nil), ([0xf3], nil), ([], nil),
        ] as [([UInt8], Int?)])
    func repeated(bytes: [UInt8], length: Int?) {
        #expect(X86Instruction.repeatedLength(bytes, isLong: true) == length)
    }
}
