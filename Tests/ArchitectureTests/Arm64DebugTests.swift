import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("arm64 debugging")
struct Arm64DebugTests {
    private typealias Registers = Arm64DebugRegisters
    private typealias Watch = Arm64DebugRegisters.Watch

    // MARK: - Debug registers

    @Test("an execution breakpoint is on, at both levels, for a whole instruction")
    func breakpoint() {
        #expect(Registers.breakpointControl == 0x1e7)
        var registers = Registers(breakpointCount: 2, watchpointCount: 0)
        // The same again takes none.
        let taken = [0x1000, 0x1004, 0x1000, 0x1008].map { registers.add(VirtualAddress($0)) }
        #expect(taken == [true, true, true, false])
        #expect(registers.breakpoints == [VirtualAddress(0x1000), VirtualAddress(0x1004)])
    }

    @Test(
        "a watchpoint's value and control are those that Linux and the manual have for it",
        arguments: [
            // E, PAC and LSC make 0x17 for a write, 0x0f for a read, 0x1f for both; BAS is from bit 5 on, MASK from 24.
            (0x1000, 1, .write, 0x1000, 0x37), (0x1003, 1, .read, 0x1000, 0x10f),
            (0x1004, 4, .readWrite, 0x1000, 0x1e1f), (0x1002, 2, .write, 0x1000, 0x197),
            (0x1008, 8, .write, 0x1008, 0x1ff7), (0x1000, 16, .write, 0x1000, 0x400_1ff7),
            (0x8000_0000, 1 << 31, .write, 0x8000_0000, 0x1f00_1ff7),
        ] as [(UInt64, UInt64, Arm64DebugRegisters.Access, UInt64, UInt64)])
    func watch(
        address: UInt64, count: UInt64, access: Arm64DebugRegisters.Access, value: UInt64, control: UInt64
    ) throws {
        let watch = try #require(Watch(VirtualAddress(address), count: count, access))
        #expect(watch.value == value)
        #expect(watch.control == control, "\(hexadecimal(watch.control))")
    }

    @Test(
        "what no register sees is refused",
        arguments: [(0x1000, 0), (0x1005, 4), (0x1004, 8), (0x1000, 24), (0x1010, 32), (0, 1 << 32)]
            as [(UInt64, UInt64)])
    func refused(address: UInt64, count: UInt64) {
        #expect(Watch(VirtualAddress(address), count: count, .write) == nil)
    }

    /// The bytes that a register pair sees, by the manual's words on BAS and MASK.
    private func seen(_ value: UInt64, _ control: UInt64, _ address: UInt64) -> Bool {
        let mask = control >> 24 & 31
        if mask != 0 { return address >> mask == value >> mask }
        return address & ~7 == value && control >> (5 + (address & 7)) & 1 == 1
    }

    /// The least number of registers for a range, by trying all.
    private func leastPieces(_ start: UInt64, _ count: Int) -> Int {
        var best = [Int](repeating: .max, count: count + 1)
        best[0] = 0
        for done in 0..<count where best[done] != .max {
            for length in 1...count - done
            where Watch(VirtualAddress(start + UInt64(done)), count: UInt64(length), .write) != nil {
                best[done + length] = min(best[done + length], best[done] + 1)
            }
        }
        return best[count]
    }

    @Test(
        "the registers see a range's bytes and no others, and fewer could not", arguments: 1...4 as ClosedRange<UInt64>)
    func cover(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<60 {
            let count = Int.random(in: 1...90, using: &random)
            let start = 0x1000 + random.next() % 0x80
            let watches = try #require(
                Registers.cover(VirtualAddress(start), count: count, .readWrite, limit: 100))
            for address in start - 70..<start + UInt64(count) + 70 {
                let sees = watches.contains { seen($0.value, $0.control, address) }
                #expect(sees == (address >= start && address < start + UInt64(count)), "\(hexadecimal(address))")
            }
            let least = leastPieces(start, count)
            #expect(watches.count == least, "\(count) bytes from \(hexadecimal(start))")
            let tight = Registers.cover(VirtualAddress(start), count: count, .readWrite, limit: least - 1)
            #expect(tight == nil)
        }
    }

    @Test("one register sees any range, with neighbours", arguments: 1...4 as ClosedRange<UInt64>)
    func enclosing(seed: UInt64) throws {
        var random = Seeded(seed)
        for _ in 0..<200 {
            let count = Int.random(in: 1...5000, using: &random)
            let start = random.next() % 0x10_0000
            let watch = try #require(Registers.enclosing(VirtualAddress(start), count: count, .write))
            for address in [start, start + UInt64(count / 2), start + UInt64(count - 1)] {
                #expect(seen(watch.value, watch.control, address))
            }
        }
        #expect(Registers.enclosing(VirtualAddress(0x7fff_fff0), count: 32, .write)?.count == nil)
        #expect(Registers.enclosing(VirtualAddress(.max - 1), count: 2, .write)?.count == 2)
        #expect(Registers.enclosing(VirtualAddress(.max), count: 2, .write) == nil)
    }

    @Test("a fault's address, which may lie before what is watched, finds the nearest watch")
    func nearest() throws {
        var registers = Registers(breakpointCount: 0, watchpointCount: 2)
        let first = try #require(Watch(VirtualAddress(0x1008), count: 8, .write))
        let second = try #require(Watch(VirtualAddress(0x2000), count: 64, .write))
        #expect(registers.watch(at: VirtualAddress(0x1000)) == nil)
        let taken = [first, second, first].map { registers.add($0) }
        #expect(taken == [true, true, true] && registers.freeWatches == 0)
        for (address, watch) in [(0x100f, first), (0x1000, first), (0x1ff0, second), (0x203f, second)] {
            #expect(registers.watch(at: VirtualAddress(UInt64(address))) == watch, "\(address)")
        }
    }

    // MARK: - Syndromes

    @Test(
        "a syndrome reads in words",
        arguments: [
            (0xcb00_0022, "software step in a lower level"), (0xf200_0000, "BRK #0x0"), (0xf200_0800, "BRK #0x800"),
            (0x5600_0001, "SVC #0x1"), (0xc200_0022, "breakpoint in a lower level"),
            (0xd200_0062, "watchpoint in a lower level, on a write"),
            (0xd200_0022, "watchpoint in a lower level, on a read"),
            (0x9600_0045, "data abort: translation fault, level 1, on a write"),
            (0x9200_0007, "data abort from a lower level: translation fault, level 3, on a read"),
            (0x8600_000f, "instruction abort: permission fault, level 3"),
            (0x9600_0021, "data abort: alignment fault, on a read"),
            (0x9600_0010, "data abort: external abort, on a read"),
            (0x9600_002b, "data abort: translation fault, level -1, on a read"), (0x0200_0000, "unknown reason"),
            (0xbf00_0000, "SError"), (0xfe00_0000, "reserved exception class 0x3f"),
            (0x6230_0400, "trapped system instruction: MSR to sctlr_el1"),
            (0x6234_4321, "trapped system instruction: MRS from S3_1_C0_C0_2"),
        ] as [(UInt64, String)])
    func syndrome(value: UInt64, words: String) { #expect("\(Arm64Syndrome(value))" == words) }

    @Test(
        "FAR_EL1 has the address of aborts that say so, and of a misaligned PC",
        arguments: [
            (0x9600_0045, true), (0x9200_0007, true), (0x8600_000f, true), (0x8a00_0000, true), (0x9600_0410, false),
            (0x5600_0001, false), (0xf200_0000, false), (0xbf00_0000, false), (0x9a00_0000, false),
        ] as [(UInt64, Bool)])
    func faultAddress(value: UInt64, isThere: Bool) { #expect(Arm64Syndrome(value).hasFaultAddress == isThere) }

    @Test("classes that EL1 takes have words of their own, but for those from EL0, which share them")
    func words() {
        let classes = Arm64ExceptionClass.taken
        #expect(classes.map(\.rawValue) == classes.map(\.rawValue).sorted())
        #expect(!classes.contains { $0.name.hasPrefix("reserved") })
        let shared = Dictionary(grouping: classes, by: \.word).filter { $1.count > 1 }
        #expect(
            shared.mapValues { $0.map(\.rawValue) } == [
                "data-abort": [0x24, 0x25], "instruction-abort": [0x20, 0x21],
            ])
        #expect(!classes.contains { $0.word.contains(" ") })
    }

    @Test("every debug exception's class is known as one, and no abort's")
    func debugClasses() {
        let debug = (0..<64 as Range<UInt8>).filter { Arm64ExceptionClass(rawValue: $0).isDebug }
        #expect(debug == [0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3c])
    }

    @Test("a fault status has its walk's level")
    func levels() {
        let levels = [0x04, 0x07, 0x0d, 0x10, 0x15, 0x21, 0x29, 0x2b].map { Arm64FaultStatus(rawValue: $0).level }
        #expect(levels == [0, 3, 1, nil, 1, nil, -1, -1])
    }

    @Test("an address behind VBAR_EL1 is a vector's name, where one begins")
    func vectors() {
        let base = VirtualAddress(0xffff_8000_8001_0800)
        #expect(Arm64ExceptionVector(at: base, base: base)?.name == "synchronous exception from EL1t")
        #expect(Arm64ExceptionVector(at: base + 0x280, base: base)?.name == "IRQ from EL1h")
        #expect(Arm64ExceptionVector(at: base + 0x400, base: base) == Arm64ExceptionVector(.synchronous, from: .user))
        #expect(Arm64ExceptionVector(.systemError, from: .narrowUser).offset == 0x780)
        for wrong in [4, 0x800, -0x80] { #expect(Arm64ExceptionVector(at: base + wrong, base: base) == nil) }
    }

    // MARK: - Instructions

    @Test(
        "instructions are recognized by their words, as an assembler makes them",
        arguments: [
            (0xd420_0000, .breakpoint(comment: 0)), (0xd421_0000, .breakpoint(comment: 0x800)),
            (0xd45e_0000, .halt(comment: 0xf000)), (0xd400_0001, .supervisorCall(comment: 0)),
            (0xd400_0022, .hypervisorCall(comment: 1)), (0xd400_0003, .secureMonitorCall(comment: 0)),
            (0xd69f_03e0, .exceptionReturn), (0xd69f_0bff, .exceptionReturn), (0xd503_207f, .waitForInterrupt),
            (0xd503_205f, .waitForEvent), (0xd503_42df, .setMasks(2)), (0xd503_4fff, .clearMasks(15)),
            (0xd51b_4223, .writeMasks(register: 3)), (0xd53b_423e, .readMasks(register: 30)),
            (0xc85f_7c20, .loadExclusive), (0x885f_fc20, .loadExclusive), (0xc87f_0c22, .loadExclusive),
            (0x0802_7c20, .storeExclusive), (0xc800_fc41, .storeExclusive),
            // NOP, RET, LDAR, STLR, CASP, CAS, B.
            (0xd503_201f, .other), (0xd65f_03c0, .other), (0xc8df_fc20, .other), (0xc89f_fc20, .other),
            (0x4820_7c82, .other), (0x0820_7c82, .other), (0xc8a0_7c41, .other), (0x1400_0000, .other), (0, .other),
        ] as [(UInt32, Arm64Instruction)])
    func instructions(word: UInt32, instruction: Arm64Instruction) {
        #expect(Arm64Instruction(word: word) == instruction)
        var bytes: [UInt8] = []
        bytes.append(littleEndian: word)
        #expect(Arm64Instruction(bytes) == instruction)
        #expect(Arm64Instruction(bytes.dropLast()) == .other)
    }

    @Test("what is planted is a breakpoint of the length that is replaced", arguments: Architecture.allCases)
    func planted(architecture: Architecture) {
        let bytes = architecture.breakpointInstruction
        switch architecture {
        case .x86_64: #expect(X86Instruction(bytes) == .breakpoint && bytes.count == 1)
        case .arm64: #expect(Arm64Instruction(bytes) == .breakpoint(comment: 0) && bytes.count == 4)
        }
        #expect(bytes.count % architecture.instructionAlignment == 0)
        #expect(bytes.count <= architecture.longestInstruction)
    }

    @Test(
        "a step that held interrupts leaves their mask as the instruction alone would have",
        arguments: [
            // Instruction, masked before, masked in PSTATE afterwards, in a handler afterwards; masked as it should be.
            (.other, false, true, false, false), (.other, true, true, false, true),
            (.setMasks(2), false, true, false, true), (.setMasks(13), false, true, false, false),
            (.clearMasks(2), true, false, false, false), (.clearMasks(13), true, true, false, true),
            (.writeMasks(register: 0), false, true, false, true), (.exceptionReturn, true, false, false, false),
            (.supervisorCall(comment: 0), false, true, true, true),
            (.readMasks(register: 1), false, true, false, false),
        ] as [(Arm64Instruction, Bool, Bool, Bool, Bool)])
    func heldInterrupts(instruction: Arm64Instruction, before: Bool, after: Bool, inHandler: Bool, expected: Bool) {
        func state(_ isMasked: Bool) -> Arm64State {
            var state = Arm64State(rawValue: 0x305)
            state.masksIRQ = isMasked
            return state
        }
        #expect(
            instruction.masksInterrupts(before: state(before), after: state(after), tookException: inHandler)
                == expected)
    }
}
