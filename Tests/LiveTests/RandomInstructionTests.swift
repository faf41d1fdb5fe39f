import Foundation
import TestSupport
import Testing

extension Live {
    /// Whatever a guest executes, at CPL 0 and CPL 3, the debugger answers, and the program goes on.
    ///
    ///     STUBVISOR_FUZZ_SECONDS=600 swift test --filter RandomInstructions      # ten minutes instead of a few rounds
    @Suite("random instructions") struct RandomInstructions {
        private static let seconds = ProcessInfo.processInfo.environment["STUBVISOR_FUZZ_SECONDS"].flatMap(Double.init)
        private static let rounds = 60

        @Test("leave the debugger in reach", .needs(.kvm), arguments: [1, 2] as [UInt64], ["apic", "kernel"])
        func answered(seed: UInt64, irqchip: String) throws {
            var random = Seeded(Self.seconds == nil ? seed : UInt64.random(in: 0...UInt64.max))
            let end = Self.seconds.map { ContinuousClock.now + .seconds($0 / 4) }
            var board = try Board(irqchip)
            var round = 0
            while end.map({ ContinuousClock.now < $0 }) ?? (round < Self.rounds) {
                let code = (0..<24).flatMap { _ in Self.instruction(&random) }
                let isAlive = try board.play(code, &random)
                #expect(board.stubvisor.program.status == nil || !isAlive, "round \(round): \(code)")
                // It may have powered itself off.
                if !isAlive { board = try Board(irqchip) }
                round += 1
            }
        }

        /// Opcodes that software KVM emulates, that it does not, and that mean something to a debugger.
        private static let opcodes: [[UInt8]] =
            (0x00...0x3f).map { [$0] } + (0x80...0x8f).map { [$0] } + (0xa4...0xaf).map { [$0] }
            + [
                [0x50], [0x5f], [0x63], [0x69], [0x6b], [0x70], [0x7f], [0x90], [0x98], [0x99], [0x9b], [0x9c], [0x9d],
                [0xc0], [0xc1], [0xc3], [0xc6], [0xc7], [0xc8], [0xc9], [0xca], [0xcb], [0xcc], [0xcd], [0xcf], [0xd0],
                [0xd3], [0xd8], [0xd9], [0xdb], [0xdd], [0xdf], [0xe4], [0xe5], [0xec], [0xed], [0xf1], [0xf4], [0xf6],
                [0xf7], [0xfa], [0xfb], [0xfc], [0xfd], [0xfe], [0xff], [0x0f, 0x00], [0x0f, 0x01], [0x0f, 0x05],
                [0x0f, 0x06], [0x0f, 0x07], [0x0f, 0x09], [0x0f, 0x0b], [0x0f, 0x10], [0x0f, 0x20], [0x0f, 0x21],
                [0x0f, 0x22], [0x0f, 0x23], [0x0f, 0x28], [0x0f, 0x30], [0x0f, 0x31], [0x0f, 0x32], [0x0f, 0x34],
                [0x0f, 0x6e], [0x0f, 0xa2], [0x0f, 0xa4], [0x0f, 0xae], [0x0f, 0xb0], [0x0f, 0xb9], [0x0f, 0xc1],
                [0x0f, 0xc7], [0x0f, 0xff],
            ]
        private static let prefixes: [UInt8] = [0x26, 0x2e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]

        private static func instruction(_ random: inout Seeded) -> [UInt8] {
            var bytes: [UInt8] = []
            while random.chance(15) { bytes.append(prefixes.randomElement(using: &random)!) }
            if random.chance(40) { bytes.append(0x40 | UInt8.random(in: 0...15, using: &random)) }
            bytes += opcodes.randomElement(using: &random)!
            // ModRM that names a register's memory most of the time, then what may be a displacement or immediate value.
            bytes.append(random.chance(70) ? UInt8.random(in: 0...7, using: &random) : random.bytes(1)[0])
            return bytes + random.bytes(Int.random(in: 0...5, using: &random))
        }

        /// A machine in long mode with tables of its own: user pages, a stack for each exception, handlers that loop.
        private struct Board {
            let stubvisor: Stubvisor
            private let guest: RemoteClient

            private static let (tables, gdt, idt, task) = (0x40_0000, 0x41_0000, 0x41_1000, 0x41_2000)
            private static let (handlers, code, data) = (0x42_0000 as UInt64, 0x50_0000 as UInt64, 0x60_0000 as UInt64)

            init(_ irqchip: String) throws {
                let file = try Places.file("random-instructions.bin", [0xf4])
                stubvisor = try Stubvisor([
                    "--irqchip", irqchip, "--memory", "16M", "--format", "flat", "--cpu-mode", "long", file,
                ])
                guest = try stubvisor.attach()
                func words(_ values: [UInt64]) -> [UInt8] {
                    values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
                }
                // One table a level; eight pages of 2 MiB.
                for (level, entry) in [(0, 0x40_1007), (1, 0x40_2007)] {
                    _ = try guest.write(words([UInt64(entry)]), at: UInt64(Self.tables + level * 0x1000))
                }
                _ = try guest.write(words((0..<8).map { $0 << 21 | 0x87 }), at: UInt64(Self.tables + 0x2000))
                _ = try guest.write(
                    words([
                        0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff,
                        0x0000_8b41_2000_0067, 0,
                    ]), at: UInt64(Self.gdt))
                // Gates of DPL 3 to `jmp` to itself, 16 bytes apart.
                let gates = (0..<256).flatMap { vector -> [UInt64] in
                    let target = Self.handlers + UInt64(vector) * 16
                    return [target & 0xffff | 8 << 16 | 1 << 32 | 0xee << 40 | (target >> 16) << 48, 0]
                }
                _ = try guest.write(words(gates), at: UInt64(Self.idt))
                _ = try guest.write(
                    (0..<256).flatMap { _ in [0xeb, 0xfe] + [UInt8](repeating: 0x90, count: 14) }, at: Self.handlers)
                _ = try guest.write(words([Self.data + 0x8000]), at: UInt64(Self.task + 36))
                _ = try guest.write(words([Self.data + 0x9000]), at: UInt64(Self.task + 4))
            }

            /// Runs `code` with random registers and breakpoints; false where the guest has ended.
            mutating func play(_ code: [UInt8], _ random: inout Seeded) throws -> Bool {
                let isUser = random.chance(50)
                try prepare(code, isUser: isUser, &random)
                let target = Self.code + UInt64.random(in: 0..<UInt64(code.count), using: &random)
                let kind = Int.random(in: 0...4, using: &random)
                let place = kind < 2 ? target : Self.data + target & 0xff8
                let isSet = try guest.insert(kind, at: place, length: kind < 2 ? 1 : 8) == "OK"
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let isStep = random.chance(60)
                    guest.send(isStep ? "vCont;s" : "vCont;c")
                    // One that is answered already is remembered, and answers the next.
                    if !isStep || random.chance(30) { guest.interrupt() }
                    let stop = try stop()
                    if stop.hasPrefix("W") { return false }
                    guard stop.hasPrefix("T") else { throw LiveError("no stop: \(stop)") }
                    _ = try guest.request("g")
                    _ = try guest.monitor("why")
                }
                if isSet { #expect(try guest.remove(kind, at: place, length: kind < 2 ? 1 : 8) == "OK") }
                return true
            }

            /// The next stop. A step over HLT, or one whose exceptions find no end, is asked to come to one.
            private func stop() throws -> String {
                let deadline = Patience.deadline(60)
                while ContinuousClock.now < deadline {
                    if let reply = try? guest.reply(within: 0.2) { return reply }
                    guest.interrupt()
                }
                throw LiveError("no stop within a minute")
            }

            private func prepare(_ code: [UInt8], isUser: Bool, _ random: inout Seeded) throws {
                _ = try guest.write(code + [0xeb, 0xfe], at: Self.code)
                var values: [(String, UInt64)] = [
                    ("cr0", 0x8000_0013), ("cr4", 0x620), ("cr3", UInt64(Self.tables)), ("efer", 0x501), ("cr8", 0),
                    ("gdtr_base", UInt64(Self.gdt)), ("gdtr_limit", 0x37), ("idtr_base", UInt64(Self.idt)),
                    ("idtr_limit", 0xfff), ("tr", 0x28), ("tr_base", UInt64(Self.task)), ("tr_limit", 0x67),
                    ("tr_attr", 0x8b),
                    ("rip", Self.code), ("rsp", Self.data + 0x7000), ("eflags", random.chance(50) ? 0x202 : 0x102),
                ]
                let (selector, stack) = isUser ? (0x23 as UInt64, 0x1b as UInt64) : (0x08, 0x10)
                values += [
                    ("cs", selector), ("cs_base", 0), ("cs_limit", 0xffff_ffff), ("cs_attr", isUser ? 0xa0fb : 0xa09b),
                ]
                for name in ["ss", "ds", "es"] {
                    values += [
                        (name, stack), ("\(name)_base", 0), ("\(name)_limit", 0xffff_ffff),
                        ("\(name)_attr", isUser ? 0xc0f3 : 0xc093),
                    ]
                }
                for name in ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r12"] {
                    values.append((name, random.chance(70) ? Self.data + random.next() & 0xff8 : random.magnitude()))
                }
                // What the processor does not accept together stays as it is.
                for (name, value) in values { _ = try guest.set(name, to: value) }
            }
        }
    }
}
