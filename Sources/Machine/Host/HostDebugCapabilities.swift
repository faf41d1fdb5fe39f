import Architecture
import KVM

/// What this host's KVM really does when it debugs a guest, as a throwaway machine showed (see Probe). The strategies
/// for breakpoints, watchpoints and steps follow from it.
package struct HostDebugCapabilities: Equatable, Sendable {
    /// What becomes of an INT3 instruction while software breakpoints are asked for.
    package enum BreakpointFate: String, Sendable {
        /// KVM_EXIT_DEBUG: the normal case.
        case debugExit = "exits as a debug event"
        /// KVM cannot emulate it and says so at its address.
        case emulationFailure = "exits as an emulation failure"
        /// The guest's own handler gets it; a planted one would never be seen.
        case guest = "goes to the guest"
        /// Something else came out.
        case unknown = "is not understood"

        package var canBePlanted: Bool { self == .debugExit || self == .emulationFailure }
    }

    /// What is planted for a breakpoint.
    package enum Trap: Sendable {
        /// INT3.
        case breakpoint
        /// A read of a port, for hosts whose INT3 reaches the guest: it exits at its address, and the exit is taken back. In
        /// user mode the guest gets a general-protection fault for it, which is taken back at its handler.
        case portRead

        package var opcode: UInt8 {
            switch self {
            case .breakpoint: X86Instruction.breakpointOpcode
            case .portRead: X86Instruction.portReadOpcode
            }
        }
    }

    /// One privilege level's answers.
    package struct Level: Equatable, Sendable {
        package var breakpoint = BreakpointFate.unknown
        /// IN EAX, DX exits at its address, and can be taken back.
        package var portReadExits = false
        package var singleStep = false
        package var executionBreakpoint = false
        package var dataBreakpoint = false
    }

    /// How a step is made.
    package struct Step: Equatable, Sendable {
        /// It stays asked for until it is taken back, even past an instruction that loads the flags. Elsewhere
        /// KVM_SET_GUEST_DEBUG must be repeated before each step.
        package var persists = false
        /// It is made by the trap flag, which shows wherever an instruction stores the flags.
        package var showsTrapFlag = false
        /// KVM_GUESTDBG_BLOCKIRQ: interrupts can be held off meanwhile.
        package var blocksInterrupts = false
    }

    /// What only arm64 hosts have.
    package struct ARM64: Equatable, Sendable {
        /// KVM_CAP_GUEST_DEBUG_HW_BPS and _WPS.
        package var breakpointCount = 0
        package var watchpointCount = 0
        /// KVM_CAP_ARM_USER_IRQ.
        package var reportsDeviceInterrupts = false
        /// Those that the kernel can make.
        package var interruptControllers: [VGIC.Version] = []
    }

    package var kernel = Level()
    package var user = Level()
    package var real = Level()
    /// INT n at CPL 3 gets to its handler.
    package var userInterrupts = false
    /// SYSCALL at CPL 3 gets to CPL 0.
    package var userSystemCalls = false
    /// Accesses to model-specific registers can be held back and answered here.
    package var filtersRegisters = false
    /// The same for writes to IA32_TSC_DEADLINE, without which the built-in local APICs have no deadline timer.
    package var filtersDeadline = false
    package var step = Step()
    /// A write to a read-only slot exits with its data.
    package var readOnlyMemoryExits = false
    /// An access to a page without a slot exits, with its data or for it.
    package var removedMemoryExits = false
    /// Whether watchpoints on writes can do without debug registers.
    var trapsWrites: Bool { readOnlyMemoryExits || removedMemoryExits }
    /// KVM_CAP_SYNC_REGS: registers come with the exit.
    package var synchronisesRegisters = false
    /// KVM_CAP_TSC_DEADLINE_TIMER: the kernel's local APICs have that mode.
    package var hasDeadlineTimer = false
    /// KVM_CAP_SPLIT_IRQCHIP: the kernel has the local APICs, and only those.
    package var hasLocalAPICsAlone = false
    package var maximumProcessors = 1
    /// x86: features that a guest sees although KVM_SET_CPUID2 has taken them away.
    package var forcedFeatures: Set<X86Feature> = []
    package var arm64 = ARM64()
    /// Kernel-mode code is emulated by software, instruction by instruction.
    package var emulatesKernelMode: Bool { kernel.breakpoint == .emulationFailure }

    /// KVM needs no help in user mode.
    package var debugsUserMode: Bool {
        user.breakpoint != .guest && user.singleStep && userInterrupts && userSystemCalls
    }

    /// What is planted in all modes: what was planted in one may be taken away in another. Nil where nothing can be.
    package var trap: Trap? {
        if kernel.breakpoint.canBePlanted { return .breakpoint }
        return kernel.portReadExits && real.portReadExits ? .portRead : nil
    }

    /// The same for code of `level`, where a planted INT3 may be the guest's.
    package func trap(in level: Level) -> Trap? {
        trap == .breakpoint && !level.breakpoint.canBePlanted ? nil : trap
    }

    /// The exception that a breakpoint in user mode is, where the guest's handler gets it.
    var userTrapVector: ExceptionVector? {
        if trap == .portRead { return .generalProtection }
        return user.breakpoint == .guest ? .breakpoint : nil
    }

    package init() {}

    /// Those of the default of `--cpu`, and those that share a leaf with one that cannot be hidden alone.
    private var hiddenFeatures: [X86Feature] {
        let slow = X86ProcessorChoice.slowWhereEmulated
        let leaves = Set(slow.filter { forcedFeatures.contains($0) && $0.leaf == 7 }.map(\.leaf))
        return X86Feature.table.filter { slow.contains($0) || leaves.contains($0.leaf) }
    }
}

extension HostDebugCapabilities {
    /// Each finding of an x86-64 host with what it means.
    var x86Findings: [(key: String, question: String, answer: String, advice: String?)] {
        func yes(_ value: Bool) -> String { value ? "yes" : "no" }
        var rows: [(String, String, String, String?)] = []
        for (name, title, level) in [
            ("kernel", "kernel mode (CPL 0)", kernel), ("user", "user mode (CPL 3)", user), ("real", "real mode", real),
        ] {
            rows += [
                (
                    "\(name)_breakpoint", "INT3 in \(title)", level.breakpoint.rawValue,
                    level.breakpoint.canBePlanted
                        ? nil
                        : name == "user"
                            ? "breakpoints there are seen through the guest's own handlers"
                            : trap == .portRead
                                ? "software breakpoints there are port reads, which are taken back"
                                : "software breakpoints there use the 4 debug registers"
                ),
                (
                    "\(name)_port_read", "a port read in \(title) exits and can be taken back",
                    yes(level.portReadExits), nil
                ),
                ("\(name)_single_step", "single step in \(title)", yes(level.singleStep), nil),
                (
                    "\(name)_execution_breakpoint", "execution breakpoints in \(title)", yes(level.executionBreakpoint),
                    nil
                ),
                (
                    "\(name)_data_breakpoint", "data breakpoints in \(title)", yes(level.dataBreakpoint),
                    level.dataBreakpoint
                        ? nil
                        : removedMemoryExits
                            ? "watchpoints trap accesses to their pages instead"
                            : readOnlyMemoryExits
                                ? "watchpoints trap writes to their pages instead; reads cannot be watched"
                                : "nothing can be watched there"
                ),
            ]
        }
        rows += [
            (
                "user_interrupts", "INT n in user mode gets to its handler", yes(userInterrupts),
                userInterrupts ? nil : "stubvisor completes it, when the guest gets a #UD instead"
            ),
            (
                "user_system_calls", "SYSCALL in user mode gets to the kernel", yes(userSystemCalls),
                userSystemCalls ? nil : "stubvisor completes it, when the guest gets a #PF instead"
            ),
            (
                "filters_registers", "accesses to MSRs can be caught", yes(filtersRegisters),
                filtersRegisters ? nil : "Linux 5.10 or later has that"
            ),
            (
                "filters_deadline", "writes of the TSC deadline can be caught", yes(filtersDeadline),
                filtersDeadline ? nil : "--irqchip apic has no TSC deadline timer"
            ),
            ("step_persists", "a step stays armed", yes(step.persists), nil),
            (
                "shows_trap_flag", "a step shows in the flags that the guest stores", yes(step.showsTrapFlag),
                step.showsTrapFlag ? "it is taken out again" : nil
            ),
            (
                "read_only_memory_exits", "writes to read-only memory exit", yes(readOnlyMemoryExits),
                trapsWrites ? nil : "watchpoints are limited to the debug registers"
            ),
            (
                "removed_memory_exits", "accesses to removed memory exit", yes(removedMemoryExits),
                removedMemoryExits ? nil : "watchpoints on reads are limited to the debug registers"
            ),
            (
                "blocks_interrupts", "interrupts can be held off while stepping", yes(step.blocksInterrupts),
                step.blocksInterrupts ? nil : "a step may land in an interrupt handler; Linux 5.15 or later helps"
            ),
            (
                "synchronises_registers", "registers come with the exit", yes(synchronisesRegisters),
                synchronisesRegisters ? nil : "every stop costs two more requests"
            ),
            (
                "emulates_kernel_mode", "kernel mode is emulated in software", yes(emulatesKernelMode),
                emulatesKernelMode
                    ? "guests run slowly; SSE, x87 and some other instructions are completed by stubvisor; outside long mode IRET "
                        + "and paging are missing, so that 32-bit kernels neither return from interrupts nor page" : nil
            ),
            (
                "hides_features", "some features of the processor are hidden from guests", yes(emulatesKernelMode),
                emulatesKernelMode
                    ? "they are slow where kernel mode is emulated, and --cpu host shows them: "
                        + hiddenFeatures.map(\.name).joined(separator: " ") : nil
            ),
            ("deadline_timer", "the kernel's local APICs have a deadline timer", yes(hasDeadlineTimer), nil),
            (
                "local_apics_alone", "the kernel's local APICs can do without its other controllers",
                yes(hasLocalAPICsAlone), hasLocalAPICsAlone ? nil : "--irqchip split cannot be had"
            ),
            ("maximum_processors", "vCPUs at most", "\(maximumProcessors)", nil),
        ]
        return rows
    }
}
