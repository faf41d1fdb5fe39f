import Architecture
import Primitives
import Testing

@testable import Machine

/// Steps over instructions that fault, raise interrupts, or are stepped by the guest itself (Intel SDM volume 2, "INT
/// n/INTO/INT3/INT1"; volume 3, sections 6.12 to 6.14 and 18.3.1.4).
@Suite("Stepping into handlers", .serialized, .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct FaultStepTests {
    private static let stack = Stepper.stack
    private static let table: UInt64 = 0x21_0000
    /// Where the handler begins: inc %bl; iretq.
    private static let handler = 64
    private static let handlerCode: [UInt8] = [0xfe, 0xc3, 0x48, 0xcf]

    /// Runs `code` with that handler for `vectors`, whose other gates are `gates`: 16 bytes that begin with these.
    private func run(
        _ code: [UInt8], steps: Int = 1, handling vectors: [UInt8], gates: [UInt8: UInt64] = [:],
        _ registers: [String: UInt64] = [:], words more: [UInt64: UInt64] = [:]
    ) throws -> Stepper {
        let padding = [UInt8](repeating: 0x90, count: Self.handler - code.count)
        let selector = UInt64(X86.codeSelector(try Stepper.run([0x90], steps: 0).stops[0].registers))
        var words = more
        for vector in vectors {
            words[Self.table + UInt64(vector) * 16] = Self.gate(selector)
        }
        for (vector, gate) in gates { words[Self.table + UInt64(vector) * 16] = gate | selector << 16 }
        let state: [String: UInt64] = ["rsp": Self.stack, "eflags": 2, "idtr_base": Self.table, "idtr_limit": 0xfff]
        return try Stepper.run(
            code + padding + Self.handlerCode, steps: steps, registers: state.merging(registers) { $1 }, words: words,
            watching: (Self.stack - 64, 128))
    }

    /// A present 64-bit interrupt gate of level 0 to the handler.
    private static func gate(_ selector: UInt64) -> UInt64 {
        let place = Stepper.origin + UInt64(handler)
        return place & 0xffff | selector << 16 | 0x8e << 40 | (place >> 16 & 0xffff) << 48
    }

    /// The 8 bytes `offset` below the stack as it began.
    private func pushed(_ stepper: Stepper, _ offset: UInt64) -> UInt64 {
        stepper.memory.number(at: Int(64 - offset), count: 8)
    }

    @Test(
        "a step that faults ends on the first instruction of its handler",
        arguments: [
            ([0x0f, 0x0b], 6, [:]),  // ud2
            ([0x48, 0x8b, 0x03], 14, ["rbx": 0xffff_8000_0000_0000]),  // mov (%rbx),%rax
            ([0x48, 0x8b, 0x03], 13, ["rbx": 0x4000_0000_0000_0000]),
            ([0xf7, 0xf1], 0, ["rcx": 0]),  // div %ecx
            ([0x8e, 0xd8], 13, ["rax": 0x7770]),  // mov %ax,%ds
            ([0x0f, 0x30], 13, ["rcx": 0xc000_1234]),  // wrmsr
        ] as [([UInt8], UInt8, [String: UInt64])])
    func fault(code: [UInt8], vector: UInt8, registers: [String: UInt64]) throws {
        let stepper = try run(code, steps: 2, handling: [vector], registers)
        #expect(stepper.offsets == [Self.handler, Self.handler + 2])
    }

    @Test("a step over IRET ends on the instruction that it returns to")
    func interruptReturn() throws {
        // ud2: the handler returns to it.
        let stepper = try run([0x0f, 0x0b], steps: 4, handling: [6])
        #expect(stepper.offsets == [Self.handler, Self.handler + 2, 0, Self.handler])
    }

    // MARK: - Software interrupts

    static let forms: [(code: [UInt8], vector: UInt8)] = [
        ([0xcc], 3), ([0xf3, 0xcc], 3), ([0x48, 0xcc], 3), ([0xcd, 3], 3), ([0xcd, 0x80], 0x80),
        ([0x66, 0xcd, 0x80], 0x80),
        ([0x65, 0x48, 0xcd, 0x42], 0x42), ([0xf1], 1), ([0xf3, 0xf1], 1),
    ]

    @Test("an interrupt instruction with any prefixes gets to its handler, which returns behind it", arguments: forms)
    func interrupt(code: [UInt8], vector: UInt8) throws {
        let stepper = try run(code, handling: [vector], ["rbx": 0])
        #expect(stepper.offsets == [code.count])
        let count = stepper.stops[1].registers.number(X86.layout64[name: "rbx"]!)
        #expect(count == 1)
    }

    @Test(
        "a gate that is not present is #NP at the instruction, with the vector and IDT; EXT for INT1 alone",
        arguments: forms)
    func absentGate(code: [UInt8], vector: UInt8) throws {
        let stepper = try run(code, handling: [11], gates: [vector: 0x0e << 40])
        #expect(stepper.offsets == [Self.handler])
        // SS, RSP, RFLAGS, CS, RIP, error code.
        #expect(pushed(stepper, 40) == Stepper.origin, "a fault points at the instruction")
        #expect(pushed(stepper, 48) == UInt64(vector) * 8 + (vector == 1 ? 3 : 2))
    }

    @Test(
        "an entry that is no gate, and one beyond the table, are #GP at the instruction",
        arguments: [0, 0x80] as [UInt64])
    func badGate(type: UInt64) throws {
        let bad = try run([0xcd, 0x42], handling: [13], gates: [0x42: type << 40])
        let beyond = try run([0xcd, 0x42], handling: [13, 0x42], ["idtr_limit": 0x41f])
        for stepper in [bad, beyond] {
            #expect(stepper.offsets == [Self.handler])
            #expect(pushed(stepper, 40) == Stepper.origin)
            #expect(pushed(stepper, 48) == 0x42 * 8 + 2)
        }
    }

    @Test(
        "UD0, UD1, UD2, LOCK before an interrupt and what 64-bit code does not have are #UD",
        arguments: [
            [0x0f, 0xff, 0xc0], [0x0f, 0xb9, 0xc0], [0x0f, 0xb9, 3], [0x0f, 0x0b], [0xf3, 0x0f, 0x0b], [0xce], [0x27],
            [0xf0, 0xcc], [0xf0, 0xcd, 0x42], [0x0f, 0x04],
        ] as [[UInt8]])
    func invalid(code: [UInt8]) throws {
        let stepper = try run(code, handling: [6])
        #expect(stepper.offsets == [Self.handler])
        #expect(pushed(stepper, 40) == Stepper.origin)
    }

    // MARK: - The guest's own trap flag

    @Test("a step of code that the guest steps itself ends in its #DB handler, with TF in the frame")
    func trapFlag() throws {
        let stepper = try run([0x90, 0x90, 0x90], steps: 4, handling: [1], ["eflags": 0x102])
        #expect(stepper.offsets == [Self.handler, Self.handler + 2, 1, Self.handler])
        #expect(pushed(stepper, 40) == Stepper.origin + 2)
        #expect(pushed(stepper, 24) & X86.trapFlag != 0)
        let flags = stepper.stops.map { X86.flagsRegister($0.registers) & X86.trapFlag != 0 }
        #expect(flags == [true, false, false, true, false])
    }

    @Test("PUSHF that is stepped stores the guest's trap flag", arguments: [0x102, 0x2] as [UInt64])
    func pushFlags(flags: UInt64) throws {
        let stepper = try run([0x9c], handling: [1], ["eflags": flags])
        #expect(pushed(stepper, 8) == flags)
        #expect(stepper.offsets == [flags == 2 ? 1 : Self.handler])
    }

    @Test("POPF that sets the trap flag traps behind the next instruction, one that clears it behind itself")
    func popFlags() throws {
        let sets = try run([0x9d, 0x90], steps: 2, handling: [1], words: [Self.stack: 0x102])
        #expect(sets.offsets == [1, Self.handler])
        #expect(X86.flagsRegister(sets.stops[1].registers) & X86.trapFlag != 0, "the debugger sees the guest's flag")
        let clears = try run([0x9d, 0x90], handling: [1], ["eflags": 0x102], words: [Self.stack: 2])
        #expect(clears.offsets == [Self.handler])
    }

    @Test("a fault of code that the guest steps itself finds TF in its frame, and no #DB comes between")
    func faultWithTrapFlag() throws {
        let stepper = try run([0x0f, 0x0b], handling: [1, 6], ["eflags": 0x102])
        #expect(stepper.offsets == [Self.handler])
        #expect(pushed(stepper, 40) == Stepper.origin)
        #expect(pushed(stepper, 24) & X86.trapFlag != 0)
    }
}
