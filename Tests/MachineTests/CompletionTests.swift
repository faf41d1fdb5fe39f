import Architecture
import KVM
import Primitives
import TestSupport
import Testing

@testable import Machine

/// Instructions of kernel mode that KVM does not emulate and that are completed here, against the real processor, which
/// executes them in user mode.
@Suite("Completed instructions", .serialized, .enabled(if: Completion.isPossible, Comment(rawValue: Completion.whyNot)))
struct CompletionTests {
    @Test(
        "Random instructions do in kernel mode what the processor does in user mode",
        arguments: 1...4 as ClosedRange<UInt64>)
    func random(seed: UInt64) throws {
        var random = Seeded(seed)
        try compare(rounds: 1000) { _ in Completion.randomCase(&random) }
    }

    @Test(
        "Runs of instructions that are executed at once do what they do one by one",
        arguments: 1...2 as ClosedRange<UInt64>)
    func blocks(seed: UInt64) throws {
        var random = Seeded(seed)
        try compare(rounds: 40, isRunning: true) { _ in
            var test = Completion.randomCase(&random)
            test.code = (0..<12).flatMap { _ in Completion.plainInstruction(&random) }
            // Nothing is unmasked.
            test.registers.storage.store(0x37f, at: X86.Storage.floatingPoint, count: 4)
            test.registers.storage.store(0x1f80, at: X86.Storage.floatingPoint + 24, count: 4)
            return test
        }
    }

    /// Compares what becomes of each case, of which KVM emulates some by itself.
    private func compare(
        rounds: Int, isRunning: Bool = false, _ make: @escaping (Int) -> CompletionCase
    ) throws {
        let control = Completion.extendedControl
        let native = try NativeProcessor(extendedControl: control)
        var test: CompletionCase?
        var (round, compared, failures) = (0, 0, 0)
        let failure = try CompletingMachine.run(extendedControl: control, isRunning: isRunning) { result, isCompleted in
            if let result, let test {
                if isCompleted {
                    compared += 1
                    let wanted = try native.run(test)
                    if let difference = Completion.difference(result, wanted, test) {
                        failures += 1
                        if failures < 10 {
                            Issue.record("round \(round): \(Completion.hex(test.code)): \(difference)")
                        }
                    }
                }
                round += 1
            }
            guard round < rounds else { return nil }
            test = make(round)
            return test
        }
        #expect(
            failure == nil,
            "round \(round): \(test.map { Completion.hex($0.code) } ?? ""): \(String(describing: test.map { try? native.run($0).fault }))"
        )
        #expect(failures == 0)
        #expect(compared >= rounds / 4)
    }
}

/// What the tests of completed instructions work with.
enum Completion {
    static let whyNot =
        Sandbox.whyNot ?? "this host's KVM emulates all of kernel mode that there is, or does not emulate it"

    static let isPossible: Bool = {
        guard Sandbox.isPossible, let system = try? System() else { return false }
        return (try? Probe.run(system).emulatesKernelMode) == true
    }()

    /// x87, SSE, AVX where the host has it.
    static let extendedControl: UInt64 = (try? Sandbox.hasAVX) == true ? 7 : 3

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { hexadecimal($0, digits: 2).dropFirst(2) }.joined(separator: " ")
    }

    /// Nil where both did the same.
    static func difference(_ own: CompletionResult, _ native: CompletionResult, _ test: CompletionCase) -> String? {
        // Which byte of a state area is reported the manual leaves open.
        let isArea = test.code.contains(0xae)
        if isArea, let fault = own.fault, fault.vector == 14 {
            return native.fault?.vector == 14 ? nil : "page fault instead of \(String(describing: native.fault))"
        }
        if own.fault != native.fault {
            return "fault \(own.fault.map { "\($0)" } ?? "none") instead of \(native.fault.map { "\($0)" } ?? "none")"
        }
        if own.memory != native.memory {
            let place = zip(own.memory, native.memory).enumerated().first { $1.0 != $1.1 }!.offset
            return
                "memory differs from byte \(place): \(hex(Array(own.memory[place..<min(place + 16, own.memory.count)]))) "
                + "instead of \(hex(Array(native.memory[place..<min(place + 16, own.memory.count)])))"
        }
        if own.fault == nil, let general = differenceInGeneral(own, native) { return general }
        let area = X86.Storage.floatingPoint..<X86.Storage.debug
        var (mine, other) = (Array(own.registers.storage[area]), Array(native.registers.storage[area]))
        // A page fault of an MMX instruction comes before or after x87 becomes MMX.
        if own.fault?.vector == 14 { mine[0..<160] = other[0..<160] }
        // Protection keys are of user mode alone.
        (mine[513], other[513]) = (0, 0)
        guard mine != other else { return nil }
        let place = zip(mine, other).enumerated().first { $1.0 != $1.1 }!.offset
        return "extended state differs from byte \(place): \(hex(Array(mine[place..<place + 16]))) instead of "
            + "\(hex(Array(other[place..<place + 16])))"
    }

    private static let names =
        ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "rip"] + (8...15).map { "r\($0)" }

    private static func differenceInGeneral(_ own: CompletionResult, _ native: CompletionResult) -> String? {
        for name in names where own.registers[name] != native.registers[name] {
            return "\(name) is \(hexadecimal(own.registers[name])) instead of \(hexadecimal(native.registers[name]))"
        }
        // Status and direction flags.
        let flags = [own, native].map { $0.registers["eflags"] & 0xcd5 }
        return flags[0] == flags[1] ? nil : "flags are \(hexadecimal(flags[0])) instead of \(hexadecimal(flags[1]))"
    }

    // MARK: - Random cases

    static func randomCase(_ random: inout Seeded) -> CompletionCase {
        var registers = RegisterFile(size: X86.Storage.size)
        for name in names {
            // Canonical: beyond, this host makes an invalid opcode of what is a general-protection fault.
            registers[name] = random.chance(80) ? address(&random) : random.magnitude() & 0x7fff_ffff_ffff | 1 << 24
        }
        registers["eflags"] = 2 | random.next() & 0x8d5
        let area = X86.Storage.floatingPoint
        // Control, status and tags of x87; MXCSR.
        func store(_ value: UInt64, _ offset: Int, _ count: Int) {
            registers.storage.store(value, at: area + offset, count: count)
        }
        let control = random.chance(70) ? 0x37f : random.next() & 0xf3f | 0x40
        let status = random.chance(70) ? 0 : random.next() & 0x7f7f
        store(control, 0, 2)
        // ES and B say whether there is an exception that is not masked.
        store(status & ~control & 0x3f == 0 ? status & 0x7f7f : status | 0x8080, 2, 2)
        store(random.next(), 4, 1)
        store(random.next() & 0x7ff, 6, 2)
        store(random.next() & 0xffff_ffff, 8, 8)
        store(random.next() & 0xffff_ffff, 16, 8)
        store(random.chance(70) ? 0x1f80 : random.next() & 0xffff, 24, 4)
        // MXCSR_MASK.
        store(0xffff, 28, 4)
        for i in 0..<8 {
            store(random.next(), 32 + i * 16, 8)
            store(random.chance(50) ? 0x4000 &- random.next() & 0x3f : random.next(), 40 + i * 16, 2)
        }
        for i in 0..<32 { store(random.next(), 160 + i * 8, 8) }
        store(extendedControl, 512, 8)
        if extendedControl & 4 != 0 { for i in 0..<32 { store(random.next(), 576 + i * 8, 8) } }
        var memory = random.bytes(64)
        while memory.count < CompletionBoard.count { memory += memory.prefix(CompletionBoard.count - memory.count) }
        let code = instruction(&random, &memory, registers)
        // What XSAVE and XRSTOR are asked for is what the test has.
        if code.contains(0xae) { (registers["rax"], registers["rdx"]) = (registers["rax"] & 7, 0) }
        return CompletionCase(code: code, registers: registers, memory: memory)
    }

    /// Mostly aligned, now and then on a page's end or where there is nothing.
    private static func address(_ random: inout Seeded) -> UInt64 {
        let page =
            random.chance(80) ? UInt64.random(in: 0...1, using: &random) : UInt64.random(in: 0...3, using: &random)
        let offset =
            random.chance(60)
            ? random.next() & 0xfc0 : random.chance(50) ? 0x1000 &- random.next() & 31 : random.next() & 0xfff
        return CompletionBoard.data &+ page << 12 &+ offset
    }

    private static func instruction(
        _ random: inout Seeded, _ memory: inout [UInt8], _ registers: RegisterFile
    ) -> [UInt8] {
        // A register's memory with no, or a small, displacement; or a register.
        func modrm(_ extended: UInt8? = nil, memoryOnly: Bool = false) -> [UInt8] {
            let middle = (extended ?? UInt8.random(in: 0...7, using: &random)) << 3
            if !memoryOnly, random.chance(40) { return [0xc0 | middle | UInt8.random(in: 0...7, using: &random)] }
            // RSP has another meaning, and RBP is the stack's.
            let base = [0, 1, 2, 3, 5, 6, 7].randomElement(using: &random)! as UInt8
            switch Int.random(in: 0...3, using: &random) {
            case 0 where base != 5: return [middle | base]
            // A base and no index; an index would lead anywhere.
            case 1: return [0x44 | middle, 0x20 | base, UInt8.random(in: 0...63, using: &random) & 0x30]
            // Absolute.
            case 2:
                let place = UInt32(address(&random))
                return [middle | 4, 0x25] + (0..<4).map { UInt8(truncatingIfNeeded: place >> ($0 * 8)) }
            default: return [0x40 | middle | base, UInt8.random(in: 0...127, using: &random) & 0x70]
            }
        }
        let rex: [UInt8] = random.chance(40) ? [0x40 | UInt8.random(in: 0...15, using: &random)] : []
        func immediate(_ isThere: Bool) -> [UInt8] { isThere ? random.bytes(1) : [] }
        switch Int.random(in: 0...9, using: &random) {
        case 0, 1: return [0xd8 | UInt8.random(in: 0...7, using: &random)] + modrm()
        case 2: return [0x9b]
        case 3, 4:
            let prefix = [[], [0x66], [0xf3], [0xf2]].randomElement(using: &random)! as [UInt8]
            let opcode = Self.twoByte.randomElement(using: &random)!
            return prefix + rex + [0x0f, opcode] + modrm() + immediate(Self.hasImmediate.contains(opcode))
        case 5:
            let prefix = random.chance(80) ? [0x66] : [] as [UInt8]
            if random.chance(60) {
                return prefix + rex + [0x0f, 0x38, Self.map38.randomElement(using: &random)!] + modrm()
            }
            return prefix + rex + [0x0f, 0x3a, Self.map3A.randomElement(using: &random)!] + modrm() + immediate(true)
        case 6:
            let second = random.next()
            let last = UInt8(truncatingIfNeeded: second) & 0x7f
            let map = [1, 1, 2, 3].randomElement(using: &random)! as UInt8
            let opcode =
                (map == 1 ? Self.twoByte : map == 2 ? Self.map38 + Self.vexOnly38 : Self.map3A).randomElement(
                    using: &random)!
            // All but the base register's extension.
            let first = map | 0x60 | UInt8(truncatingIfNeeded: second >> 8) & 0x80
            let needsImmediate = map == 3 || map == 1 && Self.hasImmediate.contains(opcode)
            if map == 1, random.chance(50) { return [0xc5, last | 0x80, opcode] + modrm() + immediate(needsImmediate) }
            return [0xc4, first, last, opcode] + modrm() + immediate(needsImmediate)
        case 7:
            // Area of the state instructions: an own image, so that what is loaded is valid now and then.
            let extended = [0, 1, 2, 3, 4, 5, 6].randomElement(using: &random)! as UInt8
            if random.chance(70) {
                for page in 0..<3 {
                    for offset in stride(from: 0, to: 0x1000, by: 64) {
                        memory.store(0x1f80, at: page << 12 | offset + 24, count: 4)
                    }
                }
            }
            return (random.chance(50) ? [0x48] : []) + [0x0f, 0xae] + modrm(extended, memoryOnly: true)
        case 8:
            let lock: [UInt8] = random.chance(50) ? [0xf0] : []
            if random.chance(50) { return lock + [0x48, 0x0f, 0xc7] + modrm(1, memoryOnly: true) }
            return [0xf3] + rex + [0x0f, 0xb8] + modrm()
        default:
            let code =
                [[0xf2, 0x0f, 0x38, 0xf1], [0x66, 0x0f, 0x38, 0xf6], [0xf3, 0x0f, 0x38, 0xf6], [0xdb, 0xe3]]
                .randomElement(using: &random)! as [UInt8]
            return code[0] == 0xdb ? code : code + modrm()
        }
    }

    /// One of vectors, of x87 or of a general register: in registers, or with an aligned operand.
    static func plainInstruction(_ random: inout Seeded) -> [UInt8] {
        let register = UInt8.random(in: 0...7, using: &random)
        let place = UInt32(CompletionBoard.data + UInt64.random(in: 0..<0x1f0, using: &random) * 16)
        let isInMemory = random.chance(40)
        let operand =
            isInMemory
            ? [register << 3 | 4, 0x25] + (0..<4).map { UInt8(truncatingIfNeeded: place >> ($0 * 8)) }
            : [0xc0 | register << 3 | UInt8.random(in: 0...7, using: &random)]
        switch Int.random(in: 0...5, using: &random) {
        case 0: return [0x66, 0x0f, [0x6f, 0xfe, 0xef, 0xd4, 0x62].randomElement(using: &random)!] + operand
        case 1: return [0x0f, [0x58, 0x59, 0x28, 0x14].randomElement(using: &random)!] + operand
        case 2: return [0x66, 0x0f, 0x7f] + operand
        case 3: return isInMemory ? [0xdd] + operand.map { $0 } : [0xd8, 0xc0 | register]
        // Changes a general register: the run ends behind it.
        case 4 where register != 4: return [0xf3, 0x0f, 0xb8] + operand
        default: return [0x66, 0x0f, 0x6e] + operand
        }
    }

    private static let twoByte: [UInt8] =
        Array(0x10...0x17) + Array(0x28...0x2f) + Array(0x50...0x76) + [0x7c, 0x7d, 0x7e, 0x7f, 0xc2, 0xc4, 0xc5, 0xc6]
        + Array(0xd0...0xf6) + Array(0xf8...0xfe)
    private static let hasImmediate: Set<UInt8> = [0x70, 0x71, 0x72, 0x73, 0xc2, 0xc4, 0xc5, 0xc6]
    private static let map38: [UInt8] =
        Array(0x00...0x0b) + [0x10, 0x14, 0x15, 0x17, 0x1c, 0x1d, 0x1e] + Array(0x20...0x25) + Array(0x28...0x2b)
        + Array(0x30...0x41) + [0xdb, 0xdc, 0xdd, 0xde, 0xdf]
    private static let vexOnly38: [UInt8] =
        [0x0c, 0x0d, 0x16, 0x18, 0x19, 0x1a, 0x36, 0x45, 0x46, 0x47, 0x58, 0x59, 0x5a, 0x78, 0x79]
        + Array(0x96...0x9f) + Array(0xa6...0xaf) + Array(0xb6...0xbf) + [0xf2, 0xf3, 0xf7]
    private static let map3A: [UInt8] =
        Array(0x08...0x0f) + [0x14, 0x15, 0x16, 0x17, 0x20, 0x21, 0x22, 0x40, 0x41, 0x42, 0x44]
        + [0x60, 0x61, 0x62, 0x63, 0xdf]
}
