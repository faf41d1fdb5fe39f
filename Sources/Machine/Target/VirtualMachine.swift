import Architecture
import Boot
import Debugger
import Devices
import Host
import Interrupts
import KVM
import Primitives

/// The machine: memory, vCPUs with their threads, devices, and the debugger's view of all of it.
///
/// - Note: `@unchecked Sendable`: the parts that vCPU threads share while they run have locks of their own
///   (`shared`, `console`, `gate`). The rest changes only while all vCPUs are parked, by the thread with the Gate's baton.
package final class VirtualMachine: @unchecked Sendable {
    let configuration: MachineConfiguration
    package let capabilities: HostDebugCapabilities
    let vm: VM
    private(set) var interruptController: (any InterruptController)!
    package let console: Console
    let server: any DebugServer
    /// The registers that clients see.
    let layout: RegisterLayout
    /// Breakpoints that no client knows of, and guest memory without them.
    let hidden: HiddenBreakpoints
    var guestMemory: GuestMemory { hidden.memory }
    var processors: [Processor] = []
    package var processorCount: Int { processors.count }
    private(set) var gate: Gate!
    let shared: SharedState
    var runState: RunState
    /// What clients have armed: replaced by `arrange`, read by vCPU threads while they run.
    var arrangement = Arrangement()
    var x86 = X86Board()
    var arm64 = ARM64Board()

    /// `capabilities` takes the place of the probe's findings.
    package init(
        _ configuration: MachineConfiguration, console: Console, server: any DebugServer,
        capabilities known: HostDebugCapabilities? = nil
    ) throws(MachineError) {
        self.configuration = configuration
        self.console = console
        self.server = server
        let memory: GuestMemory
        shared = SharedState(configuration)
        do throws(Errno) { memory = try GuestMemory(configuration.memory) } catch {
            throw .host("\(configuration.memory.size >> 20) MiB of guest memory", error)
        }
        do throws(KVMError) {
            let system = try System()
            runState = RunState(marksPauses: system.marksPauses)
            if let known { capabilities = known } else { capabilities = try Probe.host(system) }
            let guest = try Self.guest(of: configuration, on: system)
            layout = guest.layout
            hidden = HiddenBreakpoints(memory, planting: Self.plantedInstruction(configuration, capabilities))
            vm = try system.makeVM()
            try assemble(guest, system)
        } catch {
            throw MachineError(error)
        }
        gate = Gate(processors: processors.count) { [unowned self] in processors[$0].kick() }
    }

    /// The built-in part of the interrupt controllers; nil where all of them are the kernel's.
    var model: InterruptModel? { interruptController.model }

    /// Puts interrupt controllers in place. x86: before the vCPUs are made; arm64: afterwards.
    func makeInterrupts() throws(KVMError) {
        interruptController = try configuration.interruptController.make(for: self)
    }

    private var kernelGIC: (any KernelGIC)? { interruptController as? any KernelGIC }

    /// Runs the machine to its end, on threads of its own, and says how it ended.
    package func run() throws(MachineError) -> Ending {
        let ready = Condition(0)
        let screenWatch = configuration.showsScreen ? ScreenWatch() : nil
        do throws(Errno) {
            for processor in processors {
                _ = try Host.Thread.start("vCPU \(processor.index)") { [self] in
                    processor.live { ready.update { $0 += 1 } }
                    withExtendedLifetime(self) {}
                }
            }
            _ = try Host.Thread.start("halt watch") { self.runState.haltWatch.live(self) }
            if let screenWatch { _ = try Host.Thread.start("screen") { screenWatch.live(self) } }
            try kernelGIC?.wires.start()
            try console.start(arrived: { self.passInput() }, quit: { self.end(.killed) })
        } catch {
            throw .host("a thread for each vCPU", error)
        }
        ready.wait { [count = processors.count] in $0 == count ? () : nil }
        gate.post(.serve(StopEvent(.held, on: 0)), to: 0)
        let result = runState.ending.wait { $0 }
        // The threads keep the machine until each has seen this; one may be waiting for a debugger forever.
        runState.haltWatch.quit()
        kernelGIC?.wires.quit()
        for processor in processors {
            gate.post(.quit, to: processor.index)
            processor.kick()
        }
        screenWatch?.finish(self)
        console.finish()
        return result
    }

    /// Ends the machine; the first word counts. From any thread.
    package func end(_ how: Ending) { runState.ending.update { $0 = $0 ?? how } }

    /// At a stop: has the server serve the debugger, then gives KVM what is armed. Nil where the machine ends.
    func serve(_ stop: StopEvent) -> ResumePlan? {
        model?.freeze()
        markPause(at: Clock.monotonic)
        defer { runState.pauseMark.resume() }
        keepGuestTime()
        defer {
            model?.thaw()
            restoreGuestTime()
        }
        console.flush()
        let startsAlone = stop.cause == .held && configuration.isRunning && !runState.hasStarted
        runState.hasStarted = true
        runState.isResetPending = stop.cause == .reset
        guard let plan = startsAlone ? .run(processors.count) : server.serve(stop, on: self) else { return nil }
        runState.reportsEachStop = plan.reportsEach
        do throws(Refusal) { try completeReset() } catch {
            end(.died(error.reason))
            return nil
        }
        let follows = applyArmed() || !x86.copies.followed.isEmpty
        runState.haltWatch.look(every: catchesHalts ? .close : follows ? .following : .ordinary)
        markPause(at: Clock.monotonic)
        return plan
    }

    // MARK: - Devices

    /// Gives the serial port as much of the console's input as it takes without loss.
    func passInput() {
        console.drainInput { byte in
            let (room, line) = offerInput(byte)
            if let line { try? change(line) }
            return room
        }
    }

    /// Passes a device's interrupt line on, as it is by now: the newest level is the last that the controllers get,
    /// whichever threads access the device. `processor` is the caller's own, where its guest made the device do that.
    func change(_ line: LineChange, by processor: Processor? = nil) throws(KVMError) {
        try shared.lineOrder.withLock { _ throws(KVMError) in
            try interruptController.raise(line.updated(to: deviceLevel(ofLine: line.line)), by: processor)
        }
    }
}
