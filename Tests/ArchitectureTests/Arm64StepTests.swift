import Architecture
import Primitives
import Testing

@Suite("arm64 steps with interrupts held off")
struct Arm64StepTests {
    /// EL1h with interrupts let in.
    private static let open = Arm64State(rawValue: 0x5)
    private static let start = VirtualAddress(0x4000_1000)

    /// A vCPU behind a step of an instruction at `start` that began with `open`: by default, at the next instruction.
    private func stepped(
        to place: VirtualAddress = start + 4, _ state: UInt64 = 0xc5, _ change: (inout RegisterFile) -> Void = { _ in }
    ) -> RegisterFile {
        var file = RegisterFile(size: Arm64.Storage.size)
        Arm64.setProgramCounter(&file, to: place)
        Arm64.setState(&file, to: Arm64State(rawValue: state))
        change(&file)
        return file
    }

    private func released(_ file: RegisterFile, _ word: UInt32) -> RegisterFile {
        var file = file
        Arm64.release(&file, heldSince: Self.open, at: Self.start, Arm64Instruction(word: word))
        return file
    }

    private func value(_ name: String, _ file: RegisterFile) -> UInt64 { file.number(Arm64.layout[name: name]!) }

    @Test("an instruction that leaves the masks alone finds them as they were")
    func plain() {
        #expect(Arm64.state(released(stepped(), 0xd503_201f)) == Self.open)
    }

    @Test("one that was not executed, too")
    func notExecuted() {
        #expect(Arm64.state(released(stepped(to: Self.start), 0xd503_201f)) == Self.open)
    }

    @Test(
        "MSR DAIFSet masks what it names, and no more",
        arguments: [(UInt32(0xd503_42df), UInt64(0x85)), (0xd503_41df, 0x45)])
    func sets(_ word: UInt32, _ state: UInt64) {
        #expect(Arm64.state(released(stepped(), word)).rawValue == state)
    }

    @Test("MSR DAIF, ERET: what they loaded stays", arguments: [UInt32(0xd51b_4220), 0xd69f_03e0])
    func loads(_ word: UInt32) {
        #expect(Arm64.state(released(stepped(to: Self.start + 4, 0x145), word)).rawValue == 0x145)
    }

    @Test("MRS DAIF reads them as they were")
    func reads() {
        let file = released(stepped { $0.set(Arm64.layout[name: "x3"]!, to: 0x3c0) }, 0xd53b_4223)
        #expect(value("x3", file) == 0x300)
        #expect(Arm64.state(file) == Self.open)
    }

    @Test("a step into a handler leaves the masks in SPSR_EL1 as they were, and the handler's own")
    func exception() {
        let file = stepped(to: VirtualAddress(0x4000_0a00), 0x3c5) {
            $0.set(Arm64.layout[name: "elr_el1"]!, to: Self.start.rawValue + 4)
            $0.set(Arm64.layout[name: "spsr_el1"]!, to: 0x6000_00c5 as UInt64)
        }
        let after = released(file, 0xd400_00e1)
        #expect(value("spsr_el1", after) == 0x6000_0005)
        #expect(Arm64.state(after).rawValue == 0x3c5)
    }

    @Test("the debugger's own step is not saved with it, the guest's is")
    func savedStep() {
        func saved(_ before: Arm64State, to place: VirtualAddress) -> UInt64 {
            var file = stepped(to: place, 0x3c5) {
                $0.set(Arm64.layout[name: "elr_el1"]!, to: Self.start.rawValue)
                $0.set(Arm64.layout[name: "spsr_el1"]!, to: 0x20_0005 as UInt64)
            }
            Arm64.forgetStep(&file, since: before, at: Self.start)
            return value("spsr_el1", file)
        }
        #expect(saved(Self.open, to: VirtualAddress(0x4000_0a00)) == 0x5)
        #expect(saved(Arm64State(rawValue: 0x20_0005), to: VirtualAddress(0x4000_0a00)) == 0x20_0005)
        #expect(saved(Self.open, to: Self.start + 4) == 0x20_0005)
    }

    @Test(
        "a BRK of the guest's own is taken where the processor would take it",
        arguments: [(UInt64(0x0), UInt64(0x400)), (0x4, 0x0), (0x5, 0x200)])
    func ownBreakpoint(_ mode: UInt64, _ offset: UInt64) {
        var file = stepped(to: Self.start, 0x6000_0000 | mode) {
            $0.set(Arm64.layout[name: "vbar_el1"]!, to: 0x4008_0800 as UInt64)
            $0.set(Arm64.layout[name: "sctlr_el1"]!, to: 1 << 23 as UInt64)
        }
        Arm64.takeException(&file, Arm64Syndrome(0xf200_0123))
        #expect(Arm64.programCounter(file).rawValue == 0x4008_0800 + offset)
        #expect(Arm64.exceptionLink(file) == Self.start)
        #expect(value("spsr_el1", file) == 0x6000_0000 | mode)
        #expect(value("esr_el1", file) == 0xf200_0123)
        #expect(Arm64.state(file).rawValue == 0x6000_03c5)
    }
}
