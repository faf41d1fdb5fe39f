import Architecture
import Boot
import Debugger
import KVM
import Primitives
import Testing

@testable import Machine

/// A machine of one vCPU that is stepped, and what its registers were at each stop.
final class Stepper: DebugServer, @unchecked Sendable {
    // Only the one vCPU's thread calls while the machine runs; the test looks afterwards.
    private(set) var stops: [(event: StopEvent, registers: RegisterFile)] = []
    private let steps: Int
    private let prepare: (VirtualMachine) throws(Refusal) -> Void
    private let before: (Int) -> Void
    private(set) var memory: [UInt8] = []
    private let watched: (PhysicalAddress, Int)

    /// Where long-mode code begins.
    static let origin: UInt64 = 0x10_0000
    static let stack: UInt64 = 0x20_0000

    private init(
        _ steps: Int, watching watched: (PhysicalAddress, Int), before: @escaping (Int) -> Void,
        prepare: @escaping (VirtualMachine) throws(Refusal) -> Void
    ) {
        (self.steps, self.watched, self.before, self.prepare) = (steps, watched, before, prepare)
    }

    func serve(_ stop: StopEvent, on machine: VirtualMachine) -> ResumePlan? {
        if stop.cause == .held {
            do throws(Refusal) { try prepare(machine) } catch {
                machine.end(.died(error.reason))
                return nil
            }
        }
        stops.append((stop, machine.registers(of: 0, having: [.general, .system])))
        guard stops.count <= steps else {
            memory = [UInt8](repeating: 0, count: watched.1)
            _ = machine.memory.read(watched.0, into: &memory)
            machine.end(.killed)
            return nil
        }
        before(stops.count)
        return ResumePlan(actions: [.step])
    }

    func beginListening(on thread: Int32) -> Bool { false }
    func endListening() {}
    func show(_ text: [UInt8]) {}
    func wantsStop() -> Bool { false }

    /// Steps `code` in `mode`: the stops, the first one being the start, and `watching`'s bytes at the end.
    static func run(
        _ code: [UInt8], mode: CPUMode = .long, steps: Int, registers: [String: UInt64] = [:],
        words: [UInt64: UInt64] = [:], modelSpecific: [UInt32: UInt64] = [:], holdsInterrupts: Bool = true,
        watching: (UInt64, Int) = (0, 0), before: @escaping (Int) -> Void = { _ in },
        capabilities change: (inout HostDebugCapabilities) -> Void = { _ in }
    ) throws -> Stepper {
        var capabilities = try Probe.run(System())
        change(&capabilities)
        let memory = try MachineMemory(size: 16 << 20)
        let image = try Boot.load(code, options: LoadOptions(format: .flat, mode: mode), into: memory)
        let configuration = MachineConfiguration(
            memory: memory, processorCount: 1, interruptController: .kernel, image: MachineImage(image, from: code),
            name: "steps",
            isRunning: false)
        let stepper = Stepper(steps, watching: (PhysicalAddress(watching.0), watching.1), before: before) {
            machine throws(Refusal) in
            var file = machine.registers(of: 0, having: [.general, .system])
            for (name, value) in registers { file.set(machine.traits.layout[name: name]!, to: value) }
            try machine.setRegisters(file, of: 0)
            for (address, word) in words { machine.guestMemory.store(word, size: 8, at: PhysicalAddress(address)) }
            for (index, value) in modelSpecific {
                guard (try? machine.processors[0].vcpu.setModelSpecific(index, to: value)) == true else {
                    throw Refusal("an MSR was refused")
                }
            }
            var arrangement = Arrangement()
            arrangement.stepsHoldInterrupts = holdsInterrupts
            try machine.arrange(arrangement)
        }
        let machine = try VirtualMachine(
            configuration, console: Console(.none), server: stepper, capabilities: capabilities)
        let ending = try machine.run()
        #expect(ending == .killed)
        return stepper
    }

    /// Linear addresses of the stops after the start, from the code's first byte.
    var offsets: [Int] {
        stops.dropFirst().map { Int(bitPattern: UInt(X86.programCounter($0.registers).rawValue &- Self.origin)) }
    }

    var flags: UInt64 { stops.last.map { X86.flagsRegister($0.registers) } ?? 0 }
}
