import Architecture
import Boot
import Debugger
import Devices
import Interrupts
import KVM
import Primitives

// What a machine does in its guest architecture's own way (see VCPUSeam for vCPUs): the rest of the sources does not ask
// which one it is.
extension VirtualMachine {
    var architecture: Architecture { configuration.image.architecture }

    /// What clients and guests see of the host's processor.
    struct Guest {
        let layout: RegisterLayout
        /// x86: the host's CPUID answers.
        var features: [CPUIDEntry] = []
    }

    static func guest(of configuration: MachineConfiguration, on system: borrowing System) throws(KVMError) -> Guest {
        switch configuration.image.architecture {
        case .x86_64:
            let features = try system.supportedProcessor()
            return Guest(layout: X86.layout(configuration.image.width, X86ExtendedState(features)), features: features)
        case .arm64: return Guest(layout: Arm64.layout)
        }
    }

    /// What is planted for breakpoints.
    static func plantedInstruction(
        _ configuration: MachineConfiguration, _ capabilities: HostDebugCapabilities
    ) -> [UInt8] {
        switch configuration.image.architecture {
        case .x86_64: [(capabilities.trap ?? .breakpoint).opcode]
        case .arm64: configuration.image.architecture.breakpointInstruction
        }
    }

    /// Puts vCPUs, the interrupt controllers, memory and the image in place.
    func assemble(_ guest: Guest, _ system: borrowing System) throws(KVMError) {
        switch architecture {
        case .x86_64: try assembleX86(guest.features, system)
        case .arm64: try assembleArm()
        }
    }

    /// Back to the image's first instruction.
    func resetGuest() throws(KVMError) {
        switch architecture {
        case .x86_64: try x86.snapshot.restore(to: self)
        case .arm64: try resetArm()
        }
    }

    // MARK: - A stop and a resume

    /// At a stop: the guest's time is to continue from here, where it can be set.
    func keepGuestTime() {
        switch architecture {
        case .x86_64: break
        case .arm64:
            arm64.keptCount = virtualCount
            for processor in processors { processor.noteSwitchOn() }
        }
    }

    func restoreGuestTime() {
        switch architecture {
        case .x86_64: break
        case .arm64: if let count = arm64.keptCount { virtualCount = count }
        }
    }

    /// Before the machine is resumed: gives KVM what is armed and is not the vCPUs' own. True where the guest may move
    /// handlers that are watched: an exit shows where to.
    func applyArmed() -> Bool {
        switch architecture {
        case .x86_64:
            applyTraps()
            applyFilter()
            applyLineCatches()
            plantCopies()
            return watchesHandlers && processors.contains { X86.taskSelector($0.registers) & ~3 == 0 }
        case .arm64: return !arrangement.catches.vectors.isEmpty
        }
    }

    // MARK: - Devices

    /// Offers the console's UART a byte: whether it takes it, and what its line does.
    func offerInput(_ byte: UInt8) -> (isTaken: Bool, line: LineChange?) {
        switch architecture {
        case .x86_64: bus { $0.ports.offer(byte, to: $0.console) }
        case .arm64: armBus { $0.memory.offer(byte, to: $0.console) }
        }
    }

    /// The level of a device's interrupt line.
    func deviceLevel(ofLine line: UInt32) -> Bool {
        switch architecture {
        case .x86_64: bus { $0.level(ofLine: line) }
        case .arm64: armBus { $0.level(ofLine: line) }
        }
    }

    /// Serves one request of a virtio device's driver: what that does to the device's line, and what is wrong with the
    /// request. Nil where there is none.
    func serveDevice() -> (line: LineChange?, fault: VirtioFault?, name: String)? {
        let memory = DeviceMemory(
            hidden: hidden, planted: arrangement.planted, firmware: guestMemory.layout.firmware)
        let host = configuration.virtio
        return switch architecture {
        case .x86_64: bus { $0.memory.serve(memory, host) ?? $0.ports.serve(memory, host) }
        case .arm64: armBus { $0.memory.serve(memory, host) }
        }
    }

    /// What the text screen shows; nil where there is none, or it begins outside of memory.
    var screen: ScreenText? {
        switch architecture {
        case .x86_64: pcScreen
        case .arm64: nil
        }
    }

    // MARK: - Interrupts

    /// The built-in GICv2 and what goes with it.
    var gicBoard: GICBoard.Configuration {
        switch architecture {
        case .x86_64:
            var board = GICBoard.Configuration.x86(processors: configuration.processorCount)
            board.gic.traceCapacity = InterruptModel.traceCapacity
            return board
        case .arm64: return .arm64(processors: configuration.processorCount)
        }
    }

    /// What drives the inputs of a machine with a GIC.
    var gicDevices: [Int: String] {
        var devices: [Int: String] =
            switch architecture {
            case .x86_64:
                [
                    GICBoard.timerLine: "virtual timer", GICBoard.consoleLine: "serial port",
                    GICBoard.clockLine: "real-time clock",
                ]
            case .arm64:
                [
                    Int(ArmBoard.performanceMonitor): "performance monitor",
                    Int(ArmBoard.virtualTimer): "virtual timer", Int(ArmBoard.physicalTimer): "physical timer",
                    Int(ArmBoard.uartInterrupt): "PL011",
                ]
            }
        // Both boards have them at the same interrupts.
        for (number, function) in configuration.virtio.functions.enumerated() {
            devices[GICBoard.firstVirtioLine + number] = VirtioDevice(function).name
        }
        return devices
    }

    /// Passes on to vCPUs what the built-in interrupt controllers ask of them. `caller` is the vCPU whose thread this is.
    func signal(_ outcome: InterruptOutcome, by caller: Processor?) {
        switch architecture {
        case .x86_64: signalX86(outcome, by: caller)
        case .arm64: signalArm(outcome, by: caller)
        }
    }

    // MARK: - For the debugger

    package var traits: TargetTraits {
        switch architecture {
        case .x86_64: x86Traits
        case .arm64: armTraits
        }
    }

    package func arrange(_ wanted: Arrangement) throws(Refusal) {
        switch architecture {
        case .x86_64: try arrangeX86(wanted)
        case .arm64: try arrangeArm(wanted)
        }
        // At once: what is injected by hand happens before the machine is resumed.
        model?.watch(wanted.catches)
    }

    /// Whether what is planted for a breakpoint can stay where other page tables lead.
    var canAdoptCopies: Bool { architecture == .x86_64 }

    /// Planted instructions are port reads, and exit as such.
    var plantsPortReads: Bool { architecture == .x86_64 && capabilities.trap == .portRead }

    package func modelSpecific(_ index: UInt32, of processor: Int) throws(Refusal) -> UInt64 {
        guard architecture == .x86_64 else { throw Self.noModelSpecific }
        return try processors[processor].modelSpecific(index)
    }

    package func setModelSpecific(_ index: UInt32, to value: UInt64, of processor: Int) throws(Refusal) {
        guard architecture == .x86_64 else { throw Self.noModelSpecific }
        try processors[processor].setModelSpecific(index, to: value)
    }

    private static var noModelSpecific: Refusal {
        Refusal("arm64 has no model-specific registers; its system registers are among the registers")
    }

    /// Device memory as a debugger reads it: the interrupt controllers answer with what a vCPU would read, and nothing
    /// happens to them, since a copy is asked.
    package func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        switch architecture {
        case .x86_64: try inspectX86(address, count: count, by: processor)
        case .arm64: try inspectArm(address, count: count, by: processor)
        }
    }

    /// Where memory and devices are.
    var map: String {
        switch architecture {
        case .x86_64: x86Map
        case .arm64: armMap
        }
    }

    /// The registers that watch `watchpoint`, where the architecture has registers for nothing else.
    func watchpointRegisters(of watchpoint: Arrangement.Watchpoint) -> [Int]? {
        switch architecture {
        case .x86_64: nil
        case .arm64: arm64.debugRegisters.watches.indices.filter { watchpoint.meets(arm64.debugRegisters.watches[$0]) }
        }
    }

    /// The name of the register that holds the breakpoint at `address`.
    func breakpointRegister(of address: VirtualAddress) -> String? {
        switch architecture {
        case .x86_64:
            x86.debugRegisters.slots.firstIndex { $0.access == .execute && $0.address == address }.map {
                "debug register \($0)"
            }
        case .arm64: arm64.debugRegisters.breakpoints.firstIndex(of: address).map { "breakpoint register \($0)" }
        }
    }
}

extension InterruptControllerKind {
    /// Those that machines of `architecture` can have; the first is the default.
    package static func all(of architecture: Architecture) -> [Self] {
        switch architecture {
        case .x86_64: [.apic, .kernel, .split, .gicv2]
        case .arm64: [.vgic, .gicv2]
        }
    }
}

extension MachineConfiguration {
    /// That of the guests that this host's KVM runs.
    package static let architecture: Architecture = System.architecture == .x86_64 ? .x86_64 : .arm64
}
