import Testing

@testable import Architecture

@Suite("Interrupt instructions")
struct InterruptInstructionTests {
    private typealias Kind = X86InterruptInstruction.Kind

    struct Form: CustomTestStringConvertible, Sendable {
        let bytes: [UInt8]
        let kind: X86InterruptInstruction.Kind?
        var length = 0
        var isLong = true

        var testDescription: String { "\(bytes) \(isLong ? "64" : "32")" }
    }

    static let forms = [
        Form(bytes: [0xcc], kind: .breakpoint, length: 1), Form(bytes: [0xf3, 0xcc], kind: .breakpoint, length: 2),
        Form(bytes: [0x66, 0x2e, 0x48, 0xcc], kind: .breakpoint, length: 4),
        Form(bytes: [0xcd, 0x80], kind: .interrupt(vector: 0x80), length: 2),
        Form(bytes: [0x66, 0xcd, 3], kind: .interrupt(vector: 3), length: 3),
        Form(bytes: [0x65, 0x48, 0xcd, 0x42], kind: .interrupt(vector: 0x42), length: 4),
        Form(bytes: [0xcd], kind: nil), Form(bytes: [0x66], kind: nil), Form(bytes: [], kind: nil),
        Form(bytes: [0xf1], kind: .debug, length: 1), Form(bytes: [0xf3, 0xf1], kind: .debug, length: 2),
        Form(bytes: [0xce], kind: .invalid, length: 1),
        Form(bytes: [0xce], kind: .overflow, length: 1, isLong: false),
        // In 32-bit code this is DEC EAX.
        Form(bytes: [0x48, 0xcc], kind: nil, isLong: false),
        Form(bytes: [0xf0, 0xcc], kind: .invalid, length: 2),
        Form(bytes: [0xf0, 0xcd, 0x80], kind: .invalid, length: 3),
        Form(bytes: [0x0f, 0x0b], kind: .invalid, length: 2),
        Form(bytes: [0xf3, 0x48, 0x0f, 0x0b], kind: .invalid, length: 4),
        Form(bytes: [0x0f, 0xb9, 0xc0], kind: .invalid, length: 2),
        Form(bytes: [0x0f, 0xff, 0xc0], kind: .invalid, length: 2),
        Form(bytes: [0x0f, 0x05], kind: nil), Form(bytes: [0x0f], kind: nil),
        Form(bytes: [0x27], kind: .invalid, length: 1), Form(bytes: [0x27], kind: nil, isLong: false),
        Form(bytes: [0x60], kind: .invalid, length: 1), Form(bytes: [0x60], kind: nil, isLong: false),
        // Prefixes without end are no instruction.
        Form(bytes: [UInt8](repeating: 0x66, count: 15) + [0xcc], kind: nil),
    ]

    @Test("each form with its prefixes, in 64-bit and other code", arguments: forms)
    func decoded(form: Form) {
        let found = X86InterruptInstruction(form.bytes + [], isLong: form.isLong)
        #expect(found?.kind == form.kind)
        if form.kind != nil { #expect(found?.length == form.length) }
    }

    @Test("INT1 is no software interrupt: no DPL check, and EXT is set")
    func cause() {
        #expect(X86InterruptInstruction([0xf1], isLong: true)?.isSoftware == false)
        for bytes: [UInt8] in [[0xcc], [0xcd, 1]] {
            #expect(X86InterruptInstruction(bytes, isLong: true)?.isSoftware == true)
        }
        #expect(X86InterruptInstruction([0xce], isLong: false)?.vector == 4)
    }

    @Test(
        "only what accesses no memory never faults",
        arguments: [
            ([0x90], true), ([0x48, 0xff, 0xc0], true), ([0x48, 0x05, 0, 1, 0, 0], true), ([0x75, 2], true),
            ([0x0f, 0x84, 0, 0, 0, 0], true), ([0x0f, 0xb6, 0xc0], true), ([0x48, 0x8d, 3], true),
            ([0x0f, 0x0b], false), ([0x0f, 0xb6, 3], false), ([0xf7, 0xf1], false), ([0xf7, 0xd9], true),
            ([0x48, 0x8b, 3], false), ([0x8e, 0xd8], false), ([0xff, 0xd0], false), ([0xff, 0xe0], false),
            ([0xc3], false), ([0x50], false), ([0xf0, 0x90], false), ([0xcc], false), ([0x0f, 0x30], false),
            ([0xf3, 0xa4], false), ([], false),
        ] as [([UInt8], Bool)])
    func neverFaults(bytes: [UInt8], expected: Bool) {
        #expect(X86Instruction.neverFaults(bytes, isLong: true) == expected)
    }

    @Test(
        "the length of an instruction with a memory operand has its displacement and immediate",
        arguments: [
            [0x48, 0x89, 0x03], [0x49, 0x89, 0x40, 8], [0xc7, 0x04, 0x25, 0, 0, 0x1f, 0, 1, 0, 0, 0], [0x50], [0xab],
            [0x66, 0xc7, 0x03, 1, 0], [0x48, 0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff], [0xe8, 0, 0, 0, 0],
            [0xc2, 8, 0],
            [0xf6, 0x03, 1], [0xf7, 0x13], [0x48, 0x8b, 0x05, 0, 0, 0, 0], [0x0f, 0xba, 0x2b, 1], [0x6a, 1],
        ] as [[UInt8]])
    func operandLength(bytes: [UInt8]) throws {
        var file = RegisterFile(size: X86.Storage.size)
        for (name, value) in [("cr0", 0x8000_0011), ("efer", 0x500), ("cs_attr", 0xa09b)] as [(String, UInt64)] {
            file.set(X86.layout64[name: name]!, to: value)
        }
        #expect(X86MemoryOperand(bytes + [0x90, 0x90, 0x90, 0x90], file)?.length == bytes.count)
    }
}
