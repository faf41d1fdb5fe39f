import Architecture
import Boot
import KVM
import Primitives
import Testing

@testable import Debugger
@testable import Machine

/// Runs a machine of one vCPU from breakpoint to breakpoint.
final class Runner: DebugServer, @unchecked Sendable {
    // Only the one vCPU's thread calls while the machine runs; the test looks afterwards.
    private(set) var stops: [(event: StopEvent, registers: RegisterFile)] = []
    private let places: [PhysicalAddress]
    private let count: Int
    private let registers: [String: UInt64]

    private init(_ places: [PhysicalAddress], _ count: Int, _ registers: [String: UInt64]) {
        (self.places, self.count, self.registers) = (places, count, registers)
    }

    func serve(_ stop: StopEvent, on machine: VirtualMachine) -> ResumePlan? {
        if stop.cause == .held {
            do throws(Refusal) { try prepare(machine) } catch {
                machine.end(.died(error.reason))
                return nil
            }
        } else {
            stops.append((stop, machine.registers(of: 0, having: [.general, .system])))
        }
        if stops.count < count { return ResumePlan(actions: [.run]) }
        machine.end(.killed)
        return nil
    }

    func beginListening(on thread: Int32) -> Bool { false }
    func endListening() {}
    func show(_ text: [UInt8]) {}
    func wantsStop() -> Bool { false }

    private func prepare(_ machine: VirtualMachine) throws(Refusal) {
        guard let trap = machine.traits.breakpointInstruction else { throw Refusal("nothing can be planted") }
        var file = machine.registers(of: 0, having: [.general, .system])
        for (name, value) in registers { file.set(X86.layout64[name: name]!, to: value) }
        try machine.setRegisters(file, of: 0)
        var arrangement = Arrangement()
        for place in places {
            var original: [UInt8] = [0]
            _ = machine.memory.read(place, into: &original)
            arrangement.planted.record(VirtualAddress(place.rawValue), at: place, original: original)
            arrangement.software.insert(VirtualAddress(place.rawValue))
            _ = machine.memory.write(place, trap[...])
        }
        try machine.arrange(arrangement)
    }

    /// Runs `code` with breakpoints at `offsets` of it until `count` stops have come.
    static func run(
        _ code: [UInt8], at offsets: [Int], mode: CPUMode, stops count: Int, registers: [String: UInt64]
    ) throws -> Runner {
        let memory = try MachineMemory(size: 16 << 20)
        let image = try Boot.load(code, options: LoadOptions(format: .flat, mode: mode), into: memory)
        let configuration = MachineConfiguration(
            memory: memory, processorCount: 1, interruptController: .apic, image: MachineImage(image, from: code),
            name: "runs",
            isRunning: false)
        let runner = Runner(offsets.map { PhysicalAddress(origin(mode)) + $0 }, count, registers)
        let machine = try VirtualMachine(
            configuration, console: Console(.none), server: runner, capabilities: host)
        let ending = try machine.run()
        #expect(ending == .killed)
        return runner
    }

    /// This host as one where INT3 is the guest's; nil where there is no usable KVM.
    private static let host: HostDebugCapabilities? = {
        guard var found = try? Probe.run(System()) else { return nil }
        found.kernel.breakpoint = .guest
        found.real.breakpoint = .guest
        return found
    }()

    /// What the tests say when they cannot run.
    static let whyNot: String? = {
        guard let host else { return "no usable KVM here" }
        return host.trap == .portRead ? nil : "port reads cannot be taken back here"
    }()

    static func origin(_ mode: CPUMode) -> UInt64 { mode == .real ? 0x7c00 : 0x10_0000 }
}

/// What is planted where INT3 reaches the guest. It is tried on every host whose port reads can be taken back.
@Suite(
    "Port reads as breakpoints",
    .enabled(if: Runner.whyNot == nil, Comment(rawValue: Runner.whyNot ?? "")))
struct PortReadTests {
    // These bytes mean the same in 16-bit and 64-bit code: 0: nop; 1: xchg cx, bx or ecx, ebx; 3: in al, dx;
    // 4: nop; 5: jmp to 0.
    private static let loop: [UInt8] = [0x90, 0x87, 0xcb, 0xec, 0x90, 0xeb, 0xf9]
    private static let registers: [String: UInt64] = ["rax": 0x1122_3344_5566_7788, "rbx": 5, "rcx": 9, "rdx": 0x9c]

    @Test(
        "stop at their address, change nothing, and the guest's own instruction is executed",
        arguments: [CPUMode.long, .real])
    func stops(mode: CPUMode) throws {
        let run = try Runner.run(
            Self.loop, at: [0, 4], mode: mode, stops: 6, registers: Self.registers)
        let origin = Runner.origin(mode)
        for (round, stop) in run.stops.enumerated() {
            let place = VirtualAddress(origin + (round % 2 == 0 ? 0 : 4))
            #expect(stop.event.cause == .breakpoint(place))
            #expect(X86.programCounter(stop.registers) == place)
            func value(_ name: String) -> UInt64 { stop.registers.number(X86.layout64[name: name]!) }
            #expect(value("rdx") == 0x9c)
            // A port that nobody answers reads as ones, which only the guest's own read brings to AL.
            #expect(value("rax") == (round == 0 ? 0x1122_3344_5566_7788 : 0x1122_3344_5566_77ff))
            #expect(value("rcx") == ([9, 5, 5, 9, 9, 5][round]))
        }
    }

    @Test("the guest's own port read under one is the guest's", arguments: [CPUMode.long, .real])
    func own(mode: CPUMode) throws {
        let run = try Runner.run(
            Self.loop, at: [3], mode: mode, stops: 3, registers: Self.registers)
        let values = run.stops.map { $0.registers.number(X86.layout64[name: "rax"]!) & 0xff }
        #expect(values == [0x88, 0xff, 0xff])
    }
}
