import Architecture
import Primitives
import TestSupport
import Testing

@testable import Debugger

@Suite("Registers over the wire")
struct RegisterTests {
    /// A processor whose every register byte is random, but for what keeps it in 64-bit mode.
    private func randomTarget(_ layout: RegisterLayout, processors: Int = 1, seed: UInt64) -> SimulatedTarget {
        var random = Seeded(seed)
        let target = SimulatedTarget(layout: layout, processors: processors)
        for processor in 0..<processors {
            for register in layout.registers where !["cr0", "efer", "cs_attr"].contains(register.name) {
                target.files[processor].set(register, to: random.bytes(register.bits / 8))
            }
            target.files[processor].changed = []
        }
        return target
    }

    @Test("g is what p gives for each of its rows, in their order", arguments: LayoutName.allCases)
    func order(_ name: LayoutName) {
        let client = Conversation(randomTarget(name.layout, seed: 1))
        let single = (0..<name.layout.countInG).map { client.ask("p" + String($0, radix: 16)) }
        #expect(single.allSatisfy { !$0.isEmpty && !$0.hasPrefix("E") })
        #expect(client.ask("g") == single.joined())
    }

    private static let reason = "KVM_GET_SREGS: Invalid argument"

    /// Two processors: of the first, KVM gives neither system nor floating-point registers.
    private func halfKnown() -> Conversation {
        let target = randomTarget(X86.layout64, processors: 2, seed: 9)
        for block in [RegisterBlocks.system, .floatingPoint] { target.files[0].noteMissing(block, Self.reason) }
        return Conversation(target, features: Conversation.gdbFeatures + ";error-message+")
    }

    @Test("a register that could not be fetched is unavailable, not zero: x in g and p")
    func unavailable() {
        let client = halfKnown()
        let layout = X86.layout64
        var g = client.ask("g")[...]
        for register in layout.registers {
            let isMissing = [.system, .floatingPoint].contains(register.block)
            let p = client.ask("p" + String(register.number, radix: 16))
            #expect(p.count == register.bits / 4)
            #expect(p.allSatisfy { $0 == "x" } == isMissing, "\(register.name): \(p)")
            guard register.number < layout.countInG else { continue }
            #expect(g.prefix(p.count) == p, "\(register.name)")
            g = g.dropFirst(p.count)
        }
        #expect(g.isEmpty)
        #expect(client.monitor("info registers 0 float").contains("unavailable"))
        #expect(client.ask("Hgp1.2") == "OK")
        #expect(!client.ask("g").contains("x"), "the other processor's are there")
    }

    @Test("a register that could not be fetched cannot be set, by P or G, and the reason is said")
    func unavailableWrites() {
        let client = halfKnown()
        let cr3 = X86.layout64[name: "cr3"]!
        let before = client.target.files[0].storage
        #expect(
            client.ask("P\(String(cr3.number, radix: 16))=\(String(repeating: "0", count: cr3.bits / 4))")
                == "E.cr3 is unavailable: \(Self.reason)")
        let zeros = String(repeating: "0", count: client.ask("g").count)
        #expect(client.ask("G" + zeros).hasSuffix("is unavailable: \(Self.reason)"))
        #expect(client.ask("QSaveRegisterState").hasSuffix("is unavailable: \(Self.reason)"))
        #expect(client.target.files[0].storage == before)
        let rax = X86.layout64[name: "rax"]!
        #expect(client.ask("P\(String(rax.number, radix: 16))=0100000000000000") == "OK", "others can")
    }

    @Test("a stop reply leaves out what could not be fetched, and no client takes it for zero")
    func unavailableExpedited() {
        let target = randomTarget(X86.layout64, seed: 9)
        target.files[0].noteMissing(.general, Self.reason)
        let client = Conversation(target)
        #expect(client.ask("?") == "T05thread:p1.1;core:0;")
        #expect(client.ask("p10") == String(repeating: "x", count: 16))
    }

    @Test("what is fetched anew is available again, register by register")
    func availableAgain() {
        var file = RegisterFile(size: X86.Storage.size)
        let (lstar, star) = (X86.layout64[name: "lstar"]!, X86.layout64[name: "star"]!)
        file.noteMissing(.modelSpecific, at: lstar.offset, "no such MSR")
        #expect(file.reasonMissing(lstar) == "no such MSR" && file.reasonMissing(star) == nil)
        file.forgetMissing(.general)
        #expect(file.reasonMissing(lstar) != nil)
        file.forgetMissing([.modelSpecific, .debug])
        #expect(file.reasonMissing(lstar) == nil)
    }

    @Test("each row has its width on the wire", arguments: LayoutName.allCases)
    func widths(_ name: LayoutName) {
        let client = Conversation(randomTarget(name.layout, seed: 2))
        for register in name.layout.registers {
            #expect(client.ask("p" + String(register.number, radix: 16)).count == register.bits / 4, "\(register.name)")
        }
    }

    @Test("P stores what p then reads, register by register", arguments: LayoutName.allCases)
    func single(_ name: LayoutName) {
        let client = Conversation(SimulatedTarget(layout: name.layout))
        var random = Seeded(3)
        for register in name.layout.registers where register.name != "cr0" && register.name != "ftag" {
            var value = random.bytes(register.bits / 8)
            if register.name.hasSuffix("_attr") { value = [0x9b, 0xa0, 0, 0] }
            for i in value.indices where i >= register.width { value[i] = 0 }
            let number = String(register.number, radix: 16)
            #expect(client.ask("P\(number)=\(hex(value))") == "OK", "\(register.name)")
            #expect(client.ask("p\(number)") == hex(value), "\(register.name)")
        }
    }

    @Test("G puts everything back that g gave", arguments: LayoutName.allCases)
    func all(_ name: LayoutName) {
        let client = Conversation(randomTarget(name.layout, seed: 4))
        let before = client.target.files[0].storage
        let everything = client.ask("g")
        for register in ["cs_base", "cr3"] { client.target.set(register, 0x1000) }
        client.target.set(name == .layout64 ? "rax" : "eax", 0)
        #expect(client.ask("g") != everything)
        #expect(client.ask("G" + everything) == "OK")
        #expect(client.ask("g") == everything)
        let isAsBefore = client.target.files[0].storage == before
        #expect(isAsBefore)
    }

    @Test("G changes no block whose values are the same")
    func unchanged() {
        let client = Conversation(randomTarget(X86.layout64, seed: 5))
        var everything = Array(client.ask("g"))
        // rax, the first byte.
        everything.replaceSubrange(0..<2, with: everything[0...1] == ["0", "0"] ? "01" : "00")
        let recorder = ChangeRecorder(client.target)
        let second = Conversation(client.target)
        #expect(second.ask("G" + String(everything)) == "OK")
        #expect(recorder.changed() == ["rax"])
    }

    @Test("a G that is too short changes the registers it has")
    func short() {
        let client = Conversation()
        client.target.set("rbx", 7)
        #expect(client.ask("G8877665544332211") == "OK")
        #expect(client.target.get("rax") == 0x1122_3344_5566_7788)
        #expect(client.target.get("rbx") == 7)
    }

    @Test("a register or value that does not exist is refused", arguments: ["p1000", "P1000=00", "pffffffff"])
    func absent(packet: String) { #expect(Conversation().ask(packet) == "E01") }

    @Test("a value of the wrong width is refused and changes nothing")
    func wrongWidth() {
        let client = Conversation()
        client.target.set("rax", 5)
        #expect(client.ask("P0=0011") == "E01")
        #expect(client.ask("P0=001122334455667788") == "E01")
        #expect(client.target.get("rax") == 5)
    }

    @Test("a value that the processor refuses is an error with its reason")
    func refused() {
        let client = Conversation(features: "error-message+")
        client.target.registerObjection = "no such CR4 bit"
        #expect(client.ask("P0=0011223344556677") == "E.no such CR4 bit")
        #expect(client.ask("G" + client.ask("g")) == "E.no such CR4 bit")
    }

    @Test("bits that a register does not have are refused, not dropped")
    func surplus() {
        let client = Conversation(features: "error-message+")
        let layout = X86.layout64
        for (name, value) in [("gdtr_limit", "34120100"), ("ds_attr", "930f0000"), ("ds", "10000100")] {
            let register = layout[name: name]!
            let before = client.target.get(name)
            #expect(client.ask("P\(String(register.number, radix: 16))=\(value)") == "E.\(name) has no such bits")
            #expect(client.target.get(name) == before)
        }
    }

    @Test("g asks for no block beyond those that every stop has; p asks for its register's")
    func blocks() {
        let client = Conversation()
        let before = client.target.fetched.count
        _ = client.ask("g")
        #expect(client.target.fetched[before...].filter { !$0.isEmpty }.isEmpty)
        for name in ["st0", "xmm3", "dr7", "lstar", "xcr0"] {
            let register = X86.layout64[name: name]!
            _ = client.ask("p" + String(register.number, radix: 16))
            #expect(client.target.fetched.last == register.block)
        }
    }

    @Test("Hg and LLDB's thread suffix choose whose registers they are")
    func threads() {
        let target = SimulatedTarget(processors: 3)
        for processor in 0..<3 { target.set("rax", UInt64(processor + 1) * 0x11, of: processor) }
        let client = Conversation(target)
        #expect(client.ask("p0") == "1100000000000000")
        #expect(client.ask("p0;thread:3;") == "3300000000000000")
        #expect(client.ask("p0;thread:p1.2;") == "2200000000000000")
        #expect(client.ask("Hgp1.2") == "OK")
        #expect(client.ask("p0") == "2200000000000000")
        #expect(client.ask("g").hasPrefix("2200000000000000"))
        #expect(client.ask("P0=4400000000000000;thread:p1.3;") == "OK")
        #expect(target.get("rax", of: 2) == 0x44)
        #expect(target.get("rax", of: 1) == 0x22)
        #expect(client.ask("p0;thread:9;") == "E03")
        #expect(client.ask("g;thread:p2.1;") == "E03")
    }
}

/// A register table by name, for test cases.
enum LayoutName: CaseIterable, Sendable {
    case layout64, layout32, layout16

    var layout: RegisterLayout {
        switch self {
        case .layout64: X86.layout64
        case .layout32: X86.layout32
        case .layout16: X86.layout16
        }
    }
}

/// Which registers have changed since it was made.
private struct ChangeRecorder {
    private let target: SimulatedTarget
    private let before: RegisterFile

    init(_ target: SimulatedTarget) {
        self.target = target
        before = target.files[0]
    }

    func changed() -> [String] {
        target.traits.layout.registers.filter { register in
            var (old, new): ([UInt8], [UInt8]) = ([], [])
            before.append(register, to: &old)
            target.files[0].append(register, to: &new)
            return old != new
        }.map(\.name)
    }
}
