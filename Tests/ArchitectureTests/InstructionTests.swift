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
        #expect(X86Instruction(code[1...]) == .softwareInterrupt(vector: 0x21))
        #expect(X86Instruction(code[3...]) == .breakpoint)
        #expect(code[3] == X86Instruction.breakpointOpcode)
    }
}
