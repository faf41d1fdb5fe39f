import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("Register tables")
struct RegisterLayoutTests {
    /// Rows that show one storage under several names: the linear program counter, its low half, and the offset in CS.
    private static let aliases: Set = ["rip", "eip", "ip"]

    /// A value of which every bit of the row's storage survives a round trip.
    private func value(of register: Register, _ random: inout Seeded) -> [UInt8] {
        switch register.form {
        case .plain, .programCounter, .selector, .extended, .bankedStackPointer:
            let kept = min(register.width, register.bits / 8)
            return random.bytes(kept) + [UInt8](repeating: 0, count: register.bits / 8 - kept)
        case .attributes:
            // Intel SDM volume 3, table 25-2: bits 8 to 11 are reserved.
            return RegisterLayoutTests.little(random.next() & 0x1_f0ff, count: register.bits / 8)
        case .tagWord:
            // Empty and zero, which do not depend on a content other than the one that is there.
            let tags = (0..<8).reduce(UInt64(0)) { $0 | (random.chance(50) ? 3 : 1) << UInt64($1 * 2) }
            return RegisterLayoutTests.little(tags, count: register.bits / 8)
        }
    }

    private static func little(_ value: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) : 0 }
    }

    @Test("a value in one row is read back there, and in no other row", arguments: NamedLayout.all)
    func rowsAlone(_ named: NamedLayout) {
        var random = Seeded(64)
        let before = RegisterFile.protected
        for register in named.layout.registers {
            let value = value(of: register, &random)
            var file = before
            file.set(register, to: value)
            #expect(file.bytes(register) == value, "\(register.name)")
            #expect(file.changed == register.block, "\(register.name)")
            // The linear program counter follows CS's base; the kinds of x87 contents are in the tag word.
            let followers: Set<String> = register.name == "cs_base" ? ["rip", "eip"] : []
            for other in named.layout.registers where other.number != register.number {
                if Self.aliases.isSuperset(of: [register.name, other.name]) || followers.contains(other.name) {
                    continue
                }
                if file.bytes(other) != before.bytes(other) {
                    Issue.record("\(register.name) changed \(other.name)")
                }
            }
        }
    }

    @Test("every row holds its own value while all the others hold theirs", arguments: NamedLayout.all, [1, 2, 3])
    func rowsTogether(_ named: NamedLayout, seed: UInt64) {
        var random = Seeded(seed)
        var file = RegisterFile.protected
        var values: [Int: [UInt8]] = [:]
        // The tag word last but one, since the contents must be there; the program counter last, since it is linear.
        let (counter, tags) = (named.layout.programCounter, named.layout[name: "ftag"]!.number)
        let plain = named.layout.registers.map(\.number).filter { number in
            number != counter && number != tags && !Self.aliases.contains(named.layout.registers[number].name)
        }
        for number in plain + [tags, counter] {
            let register = named.layout.registers[number]
            var value = value(of: register, &random)
            if number == tags { value = Self.little(0xffff, count: register.bits / 8) }
            if register.name == "cr0" { value[0] |= 1 }
            file.set(register, to: value)
            values[number] = value
        }
        for (number, value) in values {
            let register = named.layout.registers[number]
            #expect(file.bytes(register) == value, "\(register.name)")
            let low: UInt64 = value.number(at: 0, count: min(8, value.count))
            #expect(file.number(register) == low, "\(register.name)")
        }
    }

    @Test("a row's number is its place, its name its own, its storage inside", arguments: NamedLayout.everywhere)
    func rows(_ named: NamedLayout) {
        let layout = named.layout
        #expect(layout.registers.map(\.number) == Array(layout.registers.indices))
        #expect(Set(layout.registers.map(\.name)).count == layout.registers.count)
        for register in layout.registers {
            #expect(register.bits % 8 == 0 && register.bits > 0)
            #expect(register.offset >= 0 && register.offset + register.width <= layout.architecture.storageSize)
            #expect(register.form.isGathered || register.width <= register.bits / 8, "\(register.name)")
            #expect(layout[name: register.name]?.number == register.number)
        }
    }

    @Test("a row's storage lies in the structure that its block names", arguments: NamedLayout.all)
    func blocks(_ named: NamedLayout) {
        let starts: [(RegisterBlocks, Range<Int>)] = [
            (.general, X86.Storage.general..<X86.Storage.system),
            (.system, X86.Storage.system..<X86.Storage.floatingPoint),
            (.floatingPoint, X86.Storage.floatingPoint..<X86.Storage.debug),
            (.debug, X86.Storage.debug..<X86.Storage.modelSpecific),
            (.modelSpecific, X86.Storage.modelSpecific..<X86.Storage.extendedControl),
            (.extendedControl, X86.Storage.extendedControl..<X86.Storage.size),
        ]
        for register in named.layout.registers {
            let holding = starts.filter { $0.1.contains(register.offset) }.map(\.0)
            #expect(holding == [register.block], "\(register.name)")
        }
    }

    @Test("what g carries costs no more than the two blocks that every stop has", arguments: NamedLayout.all)
    func general(_ named: NamedLayout) {
        let layout = named.layout
        let cheap: RegisterBlocks = [.general, .system]
        #expect(layout.registers[..<layout.countInG].allSatisfy { cheap.contains($0.block) })
        #expect(layout.registers[layout.countInG...].allSatisfy { !cheap.contains($0.block) })
    }

    @Test("the expedited registers are there, in g, and the program counter is among them", arguments: NamedLayout.all)
    func expedited(_ named: NamedLayout) {
        let layout = named.layout
        #expect(layout.expedited.allSatisfy { (0..<layout.countInG).contains($0) })
        #expect(Set(layout.expedited).count == layout.expedited.count)
        #expect(layout.expedited.contains(layout.programCounter))
        if case .programCounter = layout.registers[layout.programCounter].form {
        } else {
            Issue.record("\(layout.registers[layout.programCounter].name) is no program counter")
        }
    }

    @Test("clients that know only the names of gdb's own tables find them at gdb's numbers")
    func familiarNumbers() {
        let amd64 = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs"
        #expect(X86.layout64.registers.prefix(24).map(\.name) == amd64.split(separator: " ").map(String.init))
        let i386 = "eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs"
        for layout in [X86.layout32, X86.layout16] {
            #expect(layout.registers.prefix(16).map(\.name) == i386.split(separator: " ").map(String.init))
        }
    }

    @Test("bytes beyond a row's storage are dropped, missing ones leave the old ones")
    func oddLengths() {
        let layout = X86.layout64
        var file = RegisterFile.protected
        let (limit, rax) = (layout[name: "gdtr_limit"]!, layout[name: "rax"]!)
        file.set(limit, to: [0x34, 0x12, 0xff, 0xff])
        #expect(file.bytes(limit) == [0x34, 0x12, 0, 0])
        file.set(rax, to: 0x1122_3344_5566_7788)
        file.set(rax, to: [0xaa])
        #expect(file.number(rax) == 0x1122_3344_5566_77aa)
    }
}

extension Register.Form {
    /// Whether the storage is wider than the value made from it.
    fileprivate var isGathered: Bool { if case .attributes = self { true } else { false } }
}
