import Architecture
import Boot
import Debugger
import Devices
import Host
import Interrupts
import KVM
import Primitives
import Synchronization

/// The machine: memory, vCPUs with their threads, devices, and the debugger's view of all of it.
///
/// - Note: `@unchecked Sendable`: the parts that vCPU threads share while they run have locks of their own (`bus`,
///   `console`, `gate`). The rest changes only while all vCPUs are parked, by the thread with the Gate's baton.
package final class VirtualMachine: @unchecked Sendable {
    /// Below the firmware area at the top of 4 GiB: no guest memory, no device.
    static let intelPages = PhysicalAddress(0xfffb_d000)

    let configuration: MachineConfiguration
    var architecture: Architecture { configuration.architecture }
    package let capabilities: HostDebugCapabilities
    let vm: VM
    let guestMemory: GuestMemory
    private(set) var interruptController: (any InterruptController)!
    /// Its built-in part; nil where all of it is the kernel's.
    private(set) var model: InterruptModel?
    package let console: Console
    let attendant: any Attendant
    /// The registers that clients see.
    let layout: RegisterLayout
    /// Breakpoints that clients know nothing of, and guest memory without them.
    let hidden: HiddenBreakpoints
    /// What is planted for breakpoints.
    let plantedInstruction: [UInt8]
    /// The model-specific registers that a reset brings back.
    let resettableRegisters: [UInt32]
    var processors: [Processor] = []
    package var processorCount: Int { processors.count }
    private(set) var gate: Gate!
    /// The state that a reset brings back.
    private(set) var snapshot: MachineSnapshot!
    let haltWatch = HaltWatch()
    private let platform: Mutex<PCPlatform>
    /// When the real-time clock next raises its line, in nanoseconds of model time.
    let clockDue = Atomic<UInt64>(.max)
    private let ending = Condition<Ending?>(nil)
    let started = Clock.monotonic

    // What is armed: replaced by `arrange`, read by vCPU threads while they run.
    var arrangement = Arrangement()
    var debugRegisters = X86DebugRegisters()
    var armDebugRegisters = Arm64DebugRegisters(breakpointCount: 0, watchpointCount: 0)
    private let armPlatform = Mutex(ArmPlatform())
    /// Each vCPU's stop is told by itself (see ResumePlan).
    private(set) var reportsEach = false
    /// Those that no debug register serves, and what became of them at the last resume (see `applyTraps`).
    var pageWatchpoints: [Arrangement.Watchpoint] = []
    var watch = PageWatch()
    /// Changed by vCPU threads too, each while no other vCPU runs.
    var slots = MemorySlots()
    /// Watched pages that processors read by themselves.
    var structural: Set<UInt64> = []
    /// Pages that instructions were fetched from while they were taken away.
    var codePages: Set<UInt64> = []
    /// Watched pages whose reads, or whose accesses, go unseen until the next resume: the guest could not go on.
    var relaxedPages: Set<UInt64> = []
    var releasedPages: Set<UInt64> = []
    /// Caught inputs by their vectors (see `applyLineCatches`); read and changed by vCPU threads.
    let lineVectors = Mutex<[UInt8: Int]>([:])
    /// Addresses of breakpoints that running vCPUs look after, and where they were planted besides (see plantCopies).
    var followed: Set<VirtualAddress> = []
    /// Addresses of breakpoints that led nowhere, or elsewhere, at some stop.
    var unsteady: Set<VirtualAddress> = []
    let copies = Mutex<[PhysicalAddress: VirtualAddress]>([:])
    /// The registers that KVM's filter holds back now.
    var filtered: [FilteredRegister] = []
    /// What is caught has changed since.
    var isFilterStale = true

    /// `capabilities` takes the place of the probe's findings.
    package init(
        _ configuration: MachineConfiguration, console: Console, attendant: any Attendant,
        capabilities known: HostDebugCapabilities? = nil
    ) throws(MachineError) {
        self.configuration = configuration
        self.console = console
        self.attendant = attendant
        let memory = configuration.memory
        let below = min(memory.size, MachineMemory.deviceHole.lowerBound.rawValue)
        platform = Mutex(PCPlatform(memoryBelow4GiB: below, memoryAbove4GiB: memory.size - below))
        do throws(Errno) { guestMemory = try GuestMemory(memory) } catch {
            throw .host("\(memory.size >> 20) MiB of guest memory", error)
        }
        let features: [CPUIDEntry]
        do throws(KVMError) {
            let system = try System()
            marksPauses = system.marksPauses
            if let known { capabilities = known } else { capabilities = try Probe.host(system) }
            plantedInstruction =
                configuration.architecture == .x86_64
                ? [(capabilities.trap ?? .breakpoint).opcode] : configuration.architecture.breakpointInstruction
            hidden = HiddenBreakpoints(guestMemory, planting: plantedInstruction[0])
            switch configuration.architecture {
            case .x86_64:
                features = try system.supportedProcessor()
                layout = X86.layout(configuration.width, X86ExtendedState(features))
                resettableRegisters =
                    try system.modelSpecificRegisters().filter { !MachineSnapshot.time.contains($0) }
                    + MachineSnapshot.memoryTypes
            case .arm64:
                (features, layout, resettableRegisters) = ([], Arm64.layout, [])
            }
            vm = try system.makeVM()
        } catch {
            throw MachineError(error)
        }
        do throws(KVMError) {
            switch configuration.architecture {
            case .x86_64: try assemble(features)
            case .arm64: try assembleArm()
            }
        } catch {
            throw MachineError(error)
        }
        gate = Gate(processors: processors.count) { [unowned self] in processors[$0].kick() }
    }

    /// Puts interrupt controllers, vCPUs with these CPUID answers, memory and the image in place.
    private func assemble(_ features: [CPUIDEntry]) throws(KVMError) {
        try vm.reserveIntelPages(at: Self.intelPages)
        interruptController = try configuration.interruptController.make(for: self)
        if capabilities.filtersRegisters {
            try vm.exitOnFilteredRegisters(andUnknown: configuration.interruptController.localAPICs != .kernel)
        }
        for index in 0..<configuration.processorCount {
            let vcpu = try vm.makeVCPU(index)
            let answers = identify(name(features), as: index, of: configuration.processorCount)
            try vcpu.setProcessor(interruptController.answers(answers))
            processors.append(Processor(index, vcpu, of: self))
        }
        try connectInterrupts()
        try slots.set(trapping: [:], of: guestMemory, in: vm)
        guestMemory.place(configuration.placements)
        guard case .x86(let start) = configuration.start else { fatalError("this machine's image is no PC's") }
        for processor in processors { try processor.prepare(start) }
        snapshot = try MachineSnapshot(of: self)
    }

    /// The ports of the 8259 pair and the 8254 are the model's.
    var hasModelledPorts: Bool { model != nil && configuration.interruptController.localAPICs != .none }

    /// All vCPUs are made.
    private func connectInterrupts() throws(KVMError) {
        try interruptController.connect()
        model = interruptController.model
    }

    /// arm64: puts interrupt controllers in place. All vCPUs are made.
    func assembleInterrupts() throws(KVMError) {
        interruptController = try configuration.interruptController.make(for: self)
        try connectInterrupts()
    }

    private var kernelGIC: (any KernelGIC)? { interruptController as? any KernelGIC }

    /// Runs the machine to its end, on threads of its own, and says how it ended.
    package func run() throws(MachineError) -> Ending {
        let ready = Condition(0)
        do throws(Errno) {
            for processor in processors {
                _ = try Host.Thread.start("vCPU \(processor.index)") { [self] in
                    processor.live { ready.update { $0 += 1 } }
                    withExtendedLifetime(self) {}
                }
            }
            _ = try Host.Thread.start("halt watch") { self.haltWatch.live(self) }
            if let wire = kernelGIC?.wire { _ = try Host.Thread.start("interrupt ends") { wire.live() } }
            try console.start(arrived: { self.passInput() }, quit: { self.end(.killed) })
        } catch {
            throw .host("a thread for each vCPU", error)
        }
        ready.wait { [count = processors.count] in $0 == count ? () : nil }
        gate.post(.attend(StopEvent(.held, on: 0)), to: 0)
        let result = ending.wait { $0 }
        // The threads keep the machine until each has seen this; one may be waiting for a debugger for ever.
        haltWatch.quit()
        kernelGIC?.wire.quit()
        for processor in processors {
            gate.post(.quit, to: processor.index)
            processor.kick()
        }
        console.finish()
        return result
    }

    /// Ends the machine; the first word counts. From any thread.
    package func end(_ how: Ending) { ending.update { $0 = $0 ?? how } }

    /// Serves the debugger through the attendant.
    func attend(_ stop: StopEvent) -> Verdict {
        model?.freeze()
        markPause(at: Clock.monotonic)
        defer { pauseMark.resume() }
        if architecture == .arm64 {
            keptCount = virtualCount
            for processor in processors { processor.noteSwitchOn() }
        }
        defer {
            model?.thaw()
            if let keptCount { virtualCount = keptCount }
        }
        console.flush()
        if stop.cause == .held, configuration.isRunning, !hasStarted {
            hasStarted = true
            applyArrangement()
            return .resume(.run(processors.count))
        }
        hasStarted = true
        isResetDue = stop.cause == .reset
        let verdict = attendant.attend(stop, on: self)
        guard case .resume(let plan) = verdict else { return verdict }
        reportsEach = plan.reportsEach
        do throws(Refusal) { try completeReset() } catch { return .end(.died(error.reason)) }
        applyArrangement()
        markPause(at: Clock.monotonic)
        return verdict
    }

    private var hasStarted = false
    /// KVM can mark in the guest's clock that it was stopped.
    let marksPauses: Bool
    var pauseMark = PauseMark()
    /// arm64: the guest's time of this stop, at which it goes on.
    var keptCount: UInt64?
    /// The guest asked for a reset, which is done when it is to go on: until then it can be looked at.
    var isResetDue = false

    // MARK: - Devices

    func bus<R>(_ body: (inout sending PCPlatform) -> R) -> R { platform.withLock { body(&$0) } }

    func armBus<R>(_ body: (inout sending ArmPlatform) -> R) -> R { armPlatform.withLock { body(&$0) } }

    /// Gives the serial port as much of the console's input as it takes without loss.
    func passInput() {
        console.drainInput { byte in
            let (room, line) =
                switch architecture {
                case .x86_64: bus { $0.ports.offer(byte, to: $0.console) }
                case .arm64: armBus { $0.memory.offer(byte, to: $0.console) }
                }
            if let line { try? change(line) }
            return room
        }
    }

    /// Passes a device's interrupt line on. `processor` is the caller's own, where its guest made the device do that.
    func change(_ line: LineChange, by processor: Processor? = nil) throws(KVMError) {
        try interruptController.raise(line, by: processor)
    }

    /// Before the machine goes on: tells KVM what is armed and is not the vCPUs' own.
    private func applyArrangement() {
        // Whether the guest may move handlers that are watched: where to, an exit shows.
        let movesHandlers: Bool
        switch architecture {
        case .x86_64:
            applyTraps()
            applyFilter()
            applyLineCatches()
            plantCopies()
            movesHandlers = watchesHandlers && processors.contains { X86.taskSelector($0.registers) & ~3 == 0 }
        case .arm64: movesHandlers = !arrangement.catches.vectors.isEmpty
        }
        haltWatch.look(every: catchesHalts ? .close : movesHandlers || !followed.isEmpty ? .following : .ordinary)
    }
}
