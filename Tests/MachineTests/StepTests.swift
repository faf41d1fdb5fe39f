import Architecture
import Debugger
import Glibc
import KVM
import Primitives
import Testing

@testable import Machine

/// Kernel-mode steps over instructions that store, load or change flags, with interrupts held off by KVM and by IF:
/// both come to what the manual says of the instruction (Intel SDM volume 2; volume 3, sections 6.8 and 18.3.1.4).
@Suite("Stepping", .serialized, .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct StepTests {
    private static let stack = Stepper.stack
    private static let nop: UInt8 = 0x90

    private func run(
        _ code: [UInt8], steps: Int = 1, byFlag: Bool, _ registers: [String: UInt64] = [:],
        words: [UInt64: UInt64] = [:], modelSpecific: [UInt32: UInt64] = [:]
    ) throws -> Stepper {
        try Stepper.run(
            code + [UInt8](repeating: Self.nop, count: 8), steps: steps,
            registers: registers.merging(["rsp": Self.stack]) { old, _ in old }, words: words,
            modelSpecific: modelSpecific, watching: (Self.stack - 64, 128),
            capabilities: { if byFlag { $0.step.blocksInterrupts = false } })
    }

    private func word(_ stepper: Stepper, at address: UInt64) -> UInt64 {
        stepper.memory.number(at: Int(address - (Self.stack - 64)), count: 8)
    }

    @Test("over PUSHF stores the guest's own flags", arguments: [0x202, 0x2, 0x246] as [UInt64], [false, true])
    func pushFlags(flags: UInt64, byFlag: Bool) throws {
        let stepper = try run([0x9c], byFlag: byFlag, ["eflags": flags])
        #expect(stepper.offsets == [1])
        #expect(word(stepper, at: Self.stack - 8) == flags)
        #expect(stepper.flags == flags)
    }

    @Test("over POPF loads the interrupt flag", arguments: [0x202, 0x2] as [UInt64], [false, true])
    func popFlags(loaded: UInt64, byFlag: Bool) throws {
        let stepper = try run([0x9d], byFlag: byFlag, ["eflags": loaded ^ 0x200], words: [Self.stack: loaded])
        #expect(stepper.offsets == [1])
        #expect(stepper.flags == loaded)
        let other = try run([0x9d], byFlag: byFlag, ["eflags": 0x202], words: [Self.stack: loaded])
        #expect(other.flags == loaded)
    }

    @Test("over CLI and STI changes the interrupt flag and nothing else", arguments: [false, true])
    func interruptFlag(byFlag: Bool) throws {
        let stepper = try run([0xfa, 0xfb, 0xfb, 0xfa], steps: 4, byFlag: byFlag, ["eflags": 0x202])
        #expect(stepper.offsets == [1, 2, 3, 4], "STI holds interrupts back for one instruction, not a debug trap")
        let flags = stepper.stops.dropFirst().map { X86.flagsRegister($0.registers) }
        #expect(flags == [0x2, 0x202, 0x202, 0x2])
    }

    @Test(
        "go on one by one over what loads the flags and over what exits: CPUID and a port read",
        arguments: [false, true])
    func armedAnew(byFlag: Bool) throws {
        // pushf; popf; nop; cpuid; in al, 0x71; nop
        let code: [UInt8] = [0x9c, 0x9d, 0x90, 0x0f, 0xa2, 0xe4, 0x71, 0x90]
        let stepper = try run(code + code, steps: 12, byFlag: byFlag, ["eflags": 0x202])
        #expect(stepper.offsets == [1, 2, 3, 5, 7, 8, 9, 10, 11, 13, 15, 16])
        #expect(stepper.flags & X86.interruptFlag != 0)
    }

    @Test("over any other instruction keeps the interrupt flag", arguments: [0x202, 0x2] as [UInt64], [false, true])
    func other(flags: UInt64, byFlag: Bool) throws {
        let stepper = try run([0x90, 0x90], steps: 2, byFlag: byFlag, ["eflags": flags])
        #expect(stepper.offsets == [1, 2])
        #expect(stepper.flags == flags)
    }

    @Test("over IRET goes where the frame says, with its flags", arguments: [0x202, 0x2] as [UInt64], [false, true])
    func interruptReturn(flags: UInt64, byFlag: Bool) throws {
        // The loader's segments, and a frame that leads to the second NOP.
        let frame: [UInt64] = [Stepper.origin + 3, 0x8, flags, Self.stack + 40, 0x10]
        var words: [UInt64: UInt64] = [:]
        for (i, value) in frame.enumerated() { words[Self.stack + UInt64(i) * 8] = value }
        let selectors = try Stepper.run([0x90], steps: 0).stops[0].registers
        words[Self.stack + 8] = UInt64(X86.codeSelector(selectors))
        words[Self.stack + 32] = selectors.number(X86.layout64[name: "ss"]!)
        let stepper = try run([0x48, 0xcf], byFlag: byFlag, ["eflags": 0x202], words: words)
        // A host that cannot stop behind IRET stops one instruction later.
        #expect([3, 4].contains(stepper.offsets[0]))
        #expect(stepper.flags == flags)
    }

    @Test("over SYSCALL leads to the kernel's entry, and saves the guest's own flags", arguments: [false, true])
    func systemCall(byFlag: Bool) throws {
        let stepper = try run(
            [0x0f, 0x05], byFlag: byFlag, ["eflags": 0x246, "efer": 0x501],
            modelSpecific: [
                X86.SystemCall.segments: 8 << 32, X86.SystemCall.target: Stepper.origin + 3,
                X86.SystemCall.flagMask: 0x200,
            ])
        #expect(stepper.offsets == [3])
        #expect(X86.savedFlags(stepper.stops[1].registers) == 0x246)
        // An emulated processor may lose the arithmetic ones.
        #expect(stepper.flags & ~0x8d5 == 0x2)
    }

    @Test("over REP STOSB ends on it or behind it, and behind it with all bytes written", arguments: [false, true])
    func repeated(byFlag: Bool) throws {
        let stepper = try run(
            [0xf3, 0xaa], steps: 6, byFlag: byFlag,
            ["rcx": 5, "rdi": Self.stack, "rax": 0x5a, "eflags": 0x202])
        let firstBehind = try #require(stepper.offsets.firstIndex { $0 >= 2 })
        #expect(stepper.offsets[..<firstBehind].allSatisfy { $0 == 0 })
        #expect(stepper.offsets[firstBehind] == 2)
        #expect(stepper.memory[64..<72].elementsEqual([0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0, 0, 0]))
        #expect(stepper.flags & X86.interruptFlag != 0)
    }

    @Test("over MOV SS ends behind it, or behind the instruction that it shields", arguments: [false, true])
    func stackSegment(byFlag: Bool) throws {
        let ss = try Stepper.run([0x90], steps: 0).stops[0].registers.number(X86.layout64[name: "ss"]!)
        let stepper = try run([0x8e, 0xd1], byFlag: byFlag, ["rcx": ss, "eflags": 0x202])
        #expect([2, 3].contains(stepper.offsets[0]))
        #expect(stepper.flags == 0x202)
    }

    // MARK: - With an interrupt pending

    /// Real mode: IRQ 0 at vector 0x20 by a timer of 1 kHz, whose handler counts at 0x600; then NOPs forever.
    private static let ticking: [UInt8] = [
        0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0,  // cli; ds = es = 0
        0xc7, 0x06, 0x80, 0x00, 0x3c, 0x7c,  // vector 0x20: offset 0x7c3c
        0xc7, 0x06, 0x82, 0x00, 0x00, 0x00,  // segment 0
        0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21,  // ICW1; ICW2: vectors from 0x20
        0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21,  // ICW3; ICW4
        0xb0, 0xfe, 0xe6, 0x21,  // only IRQ 0
        0xb0, 0x34, 0xe6, 0x43, 0xb0, 0xa9, 0xe6, 0x40, 0xb0, 0x04, 0xe6, 0x40,  // 1193182 / 1193
        0xfb,  // sti
        0x90, 0x90, 0x90, 0xeb, 0xfb, 0xf4, 0xf4, 0xf4,  // 0x34: three NOPs and back
        // 0x3c: inc byte [0x600]; push ax; mov al, 0x20; out 0x20, al; pop ax; iret
        0xfe, 0x06, 0x00, 0x06, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf,
    ]

    /// Addresses of 60 steps in the loop, with pauses in which the timer fires.
    private func places(holdsInterrupts: Bool, byFlag: Bool) throws -> (places: [UInt64], ticks: UInt8) {
        let start = 28
        let stepper = try Stepper.run(
            Self.ticking, mode: .real, steps: start + 60, registers: ["esp": 0x7000],
            holdsInterrupts: holdsInterrupts, watching: (0x600, 1),
            before: { if $0 > start, $0 % 8 == 0 { pause(milliseconds: 5) } },
            capabilities: { if byFlag { $0.step.blocksInterrupts = false } })
        return (
            stepper.stops.dropFirst(start).map { X86.programCounter($0.registers).rawValue }, stepper.memory[0]
        )
    }

    @Test("never lands in an interrupt's handler, however interrupts are held off", arguments: [false, true])
    func held(byFlag: Bool) throws {
        let (places, ticks) = try places(holdsInterrupts: true, byFlag: byFlag)
        #expect(places.allSatisfy { (0x7c34...0x7c38).contains($0) }, "\(places.map { hexadecimal($0) })")
        #expect(ticks == 0)
    }

    /// Where the step is made by the trap flag, the handler runs without it, and the step ends behind the handler.
    @Test("takes interrupts where it was asked to")
    func taken() throws {
        let (places, ticks) = try places(holdsInterrupts: false, byFlag: false)
        #expect(places.contains { $0 >= 0x7c3c } || ticks > 0)
    }

    /// Lets the kernel's timer fire.
    private func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }
}
