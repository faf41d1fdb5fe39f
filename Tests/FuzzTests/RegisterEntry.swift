import Architecture
import Boot
import KVM
import Primitives
import Synchronization
import TestSupport

@testable import Debugger
@testable import Machine
@testable import RemoteProtocol

/// Registers as a guest or a client may set them, all of them at random, before everything that looks at them: stop
/// reasons, reports, monitor commands, packets. On a real machine whose vCPU is not started.
extension FuzzEntry {
    /// A byte that chooses the machine, eight that the registers and memory follow from, then packets, a line each.
    static let registers = FuzzEntry(
        name: "registers", quick: 400, seeds: AnyRegisters.conversations,
        words: AnyRegisters.packets.map { Array("\n\($0)\n".utf8) }
    ) { input in
        guard input.count > 9 else { return nil }
        let seed: UInt64 = input.number(at: 1, count: 8)
        guard let machine = AnyRegisters.machines.withLock({ $0.machine(Int(input[0])) }) else {
            return "no machine could be made"
        }
        return machine.explore(Seeded(seed), input.dropFirst(9).split(separator: 0x0a))
    }

    /// Why the entry above cannot run, if so.
    static let whyNoRegisters: String? = {
        guard System.architecture == .x86_64 else { return "these are registers of x86 guests" }
        do throws(KVMError) {
            _ = try System()
            return nil
        } catch { return "no usable KVM here: \(error)" }
    }()
}

private enum AnyRegisters {
    /// Machines are made once: a round takes microseconds, a machine milliseconds.
    struct Pool {
        private var made: [Int: OpenMachine] = [:]

        mutating func machine(_ kind: Int) -> OpenMachine? {
            let number = kind % OpenMachine.kinds.count
            if let machine = made[number] { return machine }
            made[number] = try? OpenMachine(OpenMachine.kinds[number])
            return made[number]
        }
    }

    static let machines = Mutex(Pool())

    /// Monitor commands with arguments of every kind, and what clients ask at a stop.
    static let packets: [String] = {
        let arguments = [
            "", "1", "0x7", "0xffffffffffffffff", "cpu 1", "all --json", "0xfffffffffffff800", "EFER", "4", "33",
            "vector 3 cpu 0",
        ]
        // Left out: what ends the machine or writes files; what walks all tables, which `session` has on its own; and what takes
        // long.
        let without: Set = ["quit", "irq timeline", "info mem", "info tlb", "kaslr", "reset", "system_reset"]
        let names = (MonitorCommand.table + MonitorCommand.gicTable).map(\.name).filter { !without.contains($0) }
        let commands = Set(names).sorted().flatMap { name in arguments.map { "\(name) \($0)" } }
        return commands.map { "qRcmd,\(hex($0))" } + [
            "g", "?", "qMemoryRegionInfo:fffffffffffff000", "mfffffffffffffff8,10", "m0,40", "Z0,fffffffffffffff0,1",
            "Z2,fffffffffffffff8,8", "Z3,fffffffffffff000,1000", "Z4,1000,10", "z3,fffffffffffff000,1000",
            "z2,fffffffffffffff8,8", "z4,1000,10", "vCont;c", "vCont;s", "vCont;rfffffffffffff000,ffffffffffffffff",
            "jThreadsInfo", "qThreadExtraInfo,1", "qXfer:memory-map:read::0,1000",
            "qSearch:memory:fffffffffffff000;2000;00",
        ]
    }()

    static let conversations: [[UInt8]] = {
        var random = Seeded(11)
        let catches = ["exception all", "irq 4", "hlt"].map { "qRcmd,\(hex("catch \($0)"))" }
        return (0..<200).map { round in
            var lines = round % 3 == 0 ? [catches.randomElement(using: &random)!] : []
            lines += (0..<6).map { _ in packets.randomElement(using: &random)! }
            if round % 50 == 0 { lines.append("qRcmd,\(hex("reset"))") }
            return [UInt8(round)] + random.bytes(8) + Array(lines.joined(separator: "\n").utf8)
        }
    }()
}

/// A machine of 1 MiB whose registers are set without asking KVM.
private final class OpenMachine: DebugServer, @unchecked Sendable {
    // Used by one test at a time: the suite is serialized.
    static let kinds: [(mode: CPUMode, controller: InterruptControllerKind)] = [
        (.real, .apic), (.protected, .kernel), (.long, .apic), (.long, .split), (.long, .gicv2),
    ]

    private var machine: VirtualMachine!
    private var processor: Processor { machine.processors[0] }
    private let fresh: RegisterFile

    init(_ kind: (mode: CPUMode, controller: InterruptControllerKind)) throws {
        let memory = try MachineMemory(size: 1 << 20)
        let code: [UInt8] = [0xf4]
        let image = try Boot.load(
            code, options: LoadOptions(format: .flat, loadAddress: PhysicalAddress(0x8000), mode: kind.mode),
            into: memory)
        let configuration = MachineConfiguration(
            memory: memory, processorCount: 2, interruptController: kind.controller,
            image: MachineImage(image, from: code),
            name: "registers", isRunning: false)
        var file = RegisterFile(size: X86.Storage.size)
        file.present = []
        fresh = file
        machine = try VirtualMachine(configuration, console: Console(.none), server: self)
    }

    /// Sets everything at random, looks at everything, and plays `lines`.
    func explore(_ seed: Seeded, _ lines: [ArraySlice<UInt8>]) -> String? {
        var random = seed
        let session = Session(machine, stop: StopEvent(.held, on: 0))
        for line in lines {
            scramble(&random)
            inspect(&random)
            session.feed(frame(line)[...])
            while session.next() != nil {
                scramble(&random)
                session.report(stop(&random))
            }
            session.sent(session.framer.outgoing.count)
        }
        session.close()
        return nil
    }

    private func scramble(_ random: inout Seeded) {
        for processor in machine.processors {
            processor.fetch([.general, .system, .floatingPoint, .debug, .modelSpecific])
            var file = processor.registers
            for register in machine.layout.registers where register.width <= 8 && random.chance(60) {
                file.set(register, to: value(&random) & .mask(register.width * 8))
            }
            file.changed = []
            processor.registers = file
            processor.sync.isCurrent = true
        }
        for _ in 0..<8 {
            let table = X86.paging(processor.registers).cr3 & 0xff000
            let place = random.chance(50) ? table : random.next() & 0xfe000
            let entry = [0x3, 0x83, 0x1003, 0x8000_0000_0000_0007, random.next()].randomElement(using: &random)!
            machine.guestMemory.store(entry, size: 8, at: PhysicalAddress(place + random.next() & 0xff8))
        }
    }

    private func value(_ random: inout Seeded) -> UInt64 {
        let extremes: [UInt64] = [
            0, 1, 0xfff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0xffff_ffff_ffff_f800, 1 << 47 - 1, 0xffff_8000_0000_0000,
            1 << 63,
            .max - 7, .max, 0x8000_0011, 0x500, 0x20, 0x8000,
        ]
        return random.chance(60) ? extremes.randomElement(using: &random)! : random.magnitude()
    }

    private func stop(_ random: inout Seeded) -> StopEvent {
        let place = processor.programCounter
        let causes: [StopCause] = [
            .stepped, .breakpoint(place), .watchpoint(.readWrite, place), .caught, .interrupted, .tripleFault,
            .haltedForGood,
        ]
        return StopEvent(causes.randomElement(using: &random)!, on: 0, explanation: TripleFault(processor).explanation)
    }

    /// What vCPU threads look at, on exits and before entries.
    private func inspect(_ random: inout Seeded) {
        _ = TripleFault(processor).explanation
        _ = try? processor.undeliverable()
        processor.sync.isCurrent = true
        try? processor.watchHandlers()
        _ = try? processor.reachedHandler(processor.programCounter)
        _ = processor.guestDebug(.single)
        _ = processor.hasTrappedStack()
        let watched = Arrangement.Watchpoint(
            address: VirtualAddress(value(&random)), count: 1 + Int(random.next() & 0xffff), access: .read)
        _ = machine.resolve(watched)
        try? machine.admit(watched)
    }

    func serve(_ stop: StopEvent, on machine: VirtualMachine) -> ResumePlan? { nil }
    func beginListening(on thread: Int32) -> Bool { false }
    func endListening() {}
    func show(_ text: [UInt8]) {}
    func wantsStop() -> Bool { false }
}
