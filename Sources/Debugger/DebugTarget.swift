import Architecture
import Interrupts
import Primitives

/// The machine as the debugger needs it. Every call is made while all vCPUs are stopped, by the one thread that serves the
/// client.
package protocol DebugTarget: RegisterTarget, MemoryTarget, RunTarget, InterruptTarget {
    var traits: TargetTraits { get }

    /// Makes a new file on the host, where the command line allows any.
    func save(_ bytes: [UInt8], as name: String) throws(Refusal)

    /// Text on `topic`, without a final newline.
    func report(_ topic: ReportTopic) -> String
}

/// The vCPUs' registers. vCPUs are numbered from 0.
package protocol RegisterTarget: AnyObject {
    /// At least `blocks` of a vCPU's registers.
    func registers(of processor: Int, having blocks: RegisterBlocks) -> RegisterFile

    /// Takes back registers from `registers(of:having:)` with some changed.
    func setRegisters(_ file: RegisterFile, of processor: Int) throws(Refusal)

    /// Model-specific register `index` of a vCPU, by RDMSR's numbers: any that the host knows.
    func modelSpecific(_ index: UInt32, of processor: Int) throws(Refusal) -> UInt64
    func setModelSpecific(_ index: UInt32, to value: UInt64, of processor: Int) throws(Refusal)
}

/// Guest memory and devices.
package protocol MemoryTarget: AnyObject {
    var memory: any PhysicalMemory { get }

    /// Walks the page tables that the vCPU uses now.
    func translate(_ address: VirtualAddress, on processor: Int) throws(TranslationFault) -> Translation

    /// Up to `count` bytes of the registers of the device at `address`, at least 1, as a vCPU would read them but without
    /// a read's side effects. Refuses where there is no device.
    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8]
}

/// What stops the machine, and its reset.
package protocol RunTarget: AnyObject {
    /// Makes this all that is armed from the next resume on; refuses, and changes nothing, where the host cannot.
    func arrange(_ arrangement: Arrangement) throws(Refusal)

    /// The breakpoint at `address` is to be planted elsewhere, since the page tables in use now lead there. True where
    /// the instruction planted at `place` over `original` stays, for page tables that still lead to it, and is the
    /// target's from now on.
    func keep(_ place: PhysicalAddress, original: [UInt8], for address: VirtualAddress) -> Bool

    /// Brings the machine back to its image's first instruction. What is armed stays.
    func reset() throws(Refusal)

    /// Does the reset that the guest has asked for, if it has: the machine is about to resume.
    func completeReset() throws(Refusal)
}

/// The interrupt controllers, of whichever kind.
package protocol InterruptTarget: AnyObject {
    /// Their state.
    func interrupts() throws(Refusal) -> InterruptView

    /// Does what is asked, and says what it came to; refuses what these controllers do not have.
    func perform(_ request: InterruptRequest) throws(Refusal) -> String
}

extension RunTarget {
    package func keep(_ place: PhysicalAddress, original: [UInt8], for address: VirtualAddress) -> Bool { false }
}

/// What a client may ask for that is not part of the protocol.
package enum ReportTopic: Equatable, Sendable {
    /// One line on a vCPU: what it does, in which mode and privilege level.
    case processor(Int)
    /// Name, memory, image, how long it ran.
    case machine
    /// Exits by reason: count, share, mean time.
    case exits
    case exitsReset
    /// What this host's KVM can do and what was chosen from it.
    case capabilities
    /// Where memory and devices are.
    case memoryMap
    /// By what means the breakpoint at an address works, and how often it was hit.
    case breakpoint(VirtualAddress)
    /// By what means a watchpoint works, how often it was hit, and how many exits it caused beside that.
    case watchpoint(Arrangement.Watchpoint)
}

/// What does not change about a target, or only with its mode.
package struct TargetTraits: Sendable {
    package var layout: RegisterLayout
    package var processorCount: Int
    /// What to plant for a software breakpoint; nil where it would reach the guest and debug registers must serve.
    package var breakpointInstruction: [UInt8]?
    /// Where the guest's kernel was linked to be, as far as its file is known.
    package var linkAddress: VirtualAddress?
    /// Hardware breakpoints are planted as well where user mode may run: debug registers do nothing there.
    package var plantsInUserPages = false

    /// How many interrupts the machine's GIC has; nil where it has none.
    package var gicInterrupts: Int?

    package init(
        layout: RegisterLayout, processorCount: Int, breakpointInstruction: [UInt8]?, linkAddress: VirtualAddress? = nil
    ) {
        self.linkAddress = linkAddress
        self.layout = layout
        self.processorCount = processorCount
        self.breakpointInstruction = breakpointInstruction
    }
}

/// A request that cannot be granted, with the reason in words for the user.
package struct Refusal: Error, Equatable, Sendable {
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}

/// Everything that is to stop the machine by itself.
package struct Arrangement: Equatable, Sendable {
    /// An instruction in memory that was replaced.
    package struct Planted: Equatable, Sendable {
        package var address: VirtualAddress
        package var physical: PhysicalAddress
        package var original: [UInt8]
    }

    package struct Watchpoint: Hashable, Sendable {
        package var address: VirtualAddress
        /// Bytes watched, at least 1.
        package var count: Int
        package var access: WatchAccess
    }

    package var planted = PlantedTable()
    /// Addresses of breakpoints for which something is planted, also where an address leads nowhere now.
    package var software: Set<VirtualAddress> = []
    /// Breakpoints that need a debug register.
    package var execution: [VirtualAddress] = []
    package var watchpoints: [Watchpoint] = []
    /// For each address of a breakpoint that may go on by itself: what each breakpoint there wants evaluated.
    package var programs: [VirtualAddress: [BreakpointProgram]] = [:]
    package var catches: [Catch] = []
    /// A step takes no interrupt; otherwise it may end in a handler.
    package var stepsHoldInterrupts = true

    package init() {}
}

package enum WatchAccess: Sendable {
    case write, read, readWrite
}
