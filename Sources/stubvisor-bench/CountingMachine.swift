import Boot
import Debugger
import Host
import Interrupts
import Machine
import Primitives

/// A machine in this process with the guest `counting`, and the far end of its serial port. No debugger: what is timed is
/// the way from an interrupt's source to the guest's handler.
final class CountingMachine {
    /// What the guest takes for an order: its vectors of the same names.
    enum Choice: UInt8 {
        case run = 0x50
        case sleep
        case interruptItself
        /// Its handlers send a line feed.
        case answer
        case end
    }

    /// The line that the guest has routed: the UART's, which is quiet.
    private static let line = 4

    let machine: VirtualMachine
    private let console: Socket
    private var chunk = [UInt8](repeating: 0, count: 256)
    private let ended = Condition<Ending?>(nil)

    /// Boots the guest and waits until it takes interrupts.
    init(_ kind: InterruptControllerKind) throws(BenchError) {
        let name = try Files.guest("counting")
        let path = "/tmp/stubvisor-bench-\(kind)-\(Clock.monotonic)"
        do {
            let file = try Descriptor.contents(of: name)
            let memory = try MachineMemory(size: 16 << 20)
            let image = try Boot.load(file, options: LoadOptions(), into: memory)
            let configuration = MachineConfiguration(
                memory: memory, processorCount: 1, interruptController: kind, image: MachineImage(image, from: file),
                name: name,
                isRunning: true)
            machine = try VirtualMachine(configuration, console: Console(.unix(path: path)), server: NoDebugger())
            console = try Socket.connect(to: .unix(path: path))
        } catch {
            throw BenchError(message: Self.words(error))
        }
        machine.console.remove()
        let (machine, ended) = (machine, ended)
        let started = try? Host.Thread.start("machine \(kind)") {
            let ending = try? machine.run()
            ended.update { $0 = ending ?? .killed }
        }
        guard started != nil else { throw BenchError(message: "no thread for a machine") }
        // Its console has no reader at first; a reader sees all that follows an order.
        var answer: UInt64?
        for _ in 0..<100 where answer == nil {
            order(.answer)
            answer = inject(within: 100_000_000)
        }
        guard answer != nil else { throw BenchError(message: "the guest takes no interrupts") }
    }

    private static func words(_ error: any Error) -> String {
        if case MachineError.kvm(let request, let errno) = error { return "\(request): \(errno)" }
        return "\(error)"
    }

    func order(_ choice: Choice) { send(choice.rawValue) }

    private func send(_ vector: UInt8) {
        _ = try? machine.perform(.message(InterruptMessage(vector: vector, to: 0)))
    }

    /// Raises the line and waits for the handler's answer: nanoseconds between, or nil when none came.
    func inject(within patience: UInt64 = 2_000_000_000) -> UInt64? {
        while let got = try? console.receive(into: &chunk), got > 0 {}
        let start = Clock.monotonic
        try? machine.drive(Self.line, true)
        defer { try? machine.drive(Self.line, false) }
        while Clock.monotonic - start < patience {
            if let got = try? console.receive(into: &chunk), got > 0 { return Clock.monotonic - start }
        }
        return nil
    }

    /// Lets the guest power itself off, and its threads end.
    func finish() {
        order(.end)
        _ = ended.wait(milliseconds: 2000) { $0 }
    }
}

/// Stands in for the gdb server: nothing holds the machine.
private final class NoDebugger: DebugServer, Sendable {
    func serve(_ stop: StopEvent, on machine: VirtualMachine) -> ResumePlan? {
        switch stop.cause {
        case .ended(let ending): machine.end(ending)
        case .tripleFault, .exceptionLoop, .hostFailure, .emulationFailure, .memoryFault, .haltedForGood, .panicked,
            .biosCall:
            machine.end(.died(stop.explanation ?? "the guest died"))
        case .held, .breakpoint, .watchpoint, .caught, .stepped, .interrupted, .paused, .reset: return .run(1)
        }
        return nil
    }

    func beginListening(on thread: Int32) -> Bool { false }
    func endListening() {}
    func show(_ text: [UInt8]) {}
    func wantsStop() -> Bool { false }
}
