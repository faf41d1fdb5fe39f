import Interrupts
import Primitives

@testable import Architecture
@testable import Debugger

/// Memory from address 0 on, that the guest and the debugger share.
final class SimulatedMemory: PhysicalMemory {
    var bytes: [UInt8]
    /// The ranges that it reports.
    var ranges: [Range<PhysicalAddress>]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        ranges = [PhysicalAddress(0)..<PhysicalAddress(UInt64(bytes.count))]
    }

    private func range(_ address: PhysicalAddress, _ count: Int) -> Range<Int>? {
        guard address.rawValue <= UInt64(bytes.count), count <= bytes.count - Int(address.rawValue) else { return nil }
        return Int(address.rawValue)..<Int(address.rawValue) + count
    }

    func read(_ address: PhysicalAddress, into output: inout [UInt8]) -> Bool {
        guard let range = range(address, output.count) else { return false }
        output = Array(bytes[range])
        return true
    }

    func write(_ address: PhysicalAddress, _ input: ArraySlice<UInt8>) -> Bool {
        guard let range = range(address, input.count) else { return false }
        bytes.replaceSubrange(range, with: input)
        return true
    }

    func word(at address: PhysicalAddress) -> UInt64? {
        guard address.rawValue % 8 == 0, let range = range(address, 8) else { return nil }
        return bytes.number(at: range.lowerBound, count: 8)
    }
}

/// A machine that is stopped: memory, registers and a page map, and a record of what was armed.
final class SimulatedTarget: DebugTarget {
    static let pageSize: UInt64 = 0x1000

    var traits: TargetTraits
    let ram: SimulatedMemory
    var files: [RegisterFile]
    /// Physical pages by virtual ones; nil where every address is its own.
    var pages: [UInt64: UInt64]?
    /// Bits of a virtual address, of which those above repeat the highest; nil for all 64.
    var canonicalBits: Int64?
    /// Everything that was armed, the last one being in force.
    private(set) var arrangements: [Arrangement] = []
    /// Says why an arrangement cannot be granted.
    var objection: (Arrangement) -> String? = { _ in nil }
    /// Says why registers cannot be taken.
    var registerObjection: String?
    /// Says why the machine cannot be reset.
    var resetObjection: String?
    private(set) var resets = 0
    /// Blocks that were asked for, in their order.
    private(set) var fetched: [RegisterBlocks] = []

    init(
        layout: RegisterLayout = X86.layout64, processors: Int = 1,
        memory: [UInt8] = [UInt8](repeating: 0, count: 0x8000), breakpoint: [UInt8]? = [0xcc]
    ) {
        traits = TargetTraits(layout: layout, processorCount: processors, breakpointInstruction: breakpoint)
        ram = SimulatedMemory(memory)
        var file = RegisterFile(size: layout.architecture.storageSize)
        let state =
            switch layout.architecture {
            // 64-bit code: CR0.PE and PG, EFER.LME and LMA, CS.L.
            case .x86_64: [("cr0", 0x8000_0011), ("efer", 0x500), ("cs", 8), ("cs_attr", 0xa09b), ("eflags", 2)]
            // EL1h with everything masked, translation off.
            case .arm64: [("cpsr", 0x3c5)]
            }
        for (name, value) in state { file.set(layout[name: name]!, to: UInt64(value)) }
        file.changed = []
        files = [RegisterFile](repeating: file, count: processors)
    }

    /// An arm64 machine.
    static func arm64(processors: Int = 1) -> SimulatedTarget {
        SimulatedTarget(
            layout: Arm64.layout, processors: processors, breakpoint: Architecture.arm64.breakpointInstruction)
    }

    var memory: any PhysicalMemory { ram }

    /// What is armed now.
    var armed: Arrangement { arrangements.last ?? Arrangement() }

    func registers(of processor: Int, having blocks: RegisterBlocks) -> RegisterFile {
        fetched.append(blocks)
        return files[processor]
    }

    func setRegisters(_ file: RegisterFile, of processor: Int) throws(Refusal) {
        if let registerObjection { throw Refusal(registerObjection) }
        files[processor] = file
        files[processor].changed = []
    }

    /// Model-specific registers that there are; the processor takes 48 bits of a value.
    var modelSpecific: [UInt32: UInt64] = [:]

    func modelSpecific(_ index: UInt32, of processor: Int) throws(Refusal) -> UInt64 {
        guard let value = modelSpecific[index] else { throw Refusal("no such register") }
        return value
    }

    func setModelSpecific(_ index: UInt32, to value: UInt64, of processor: Int) throws(Refusal) {
        guard modelSpecific[index] != nil, value >> 48 == 0 else { throw Refusal("not accepted") }
        modelSpecific[index] = value
    }

    /// A device's registers, if there is one.
    var device: (start: UInt64, bytes: [UInt8])?

    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        guard let device, address.rawValue >= device.start,
            address.rawValue < device.start + UInt64(device.bytes.count)
        else { throw Refusal("physical \(address) is not memory") }
        return Array(device.bytes[Int(address.rawValue - device.start)...].prefix(count))
    }

    /// Page walks so far.
    private(set) var translations = 0
    /// The size of every page, as translations say it.
    var pageSize = SimulatedTarget.pageSize
    /// All addresses lead into memory, over and over.
    var isEverywhere = false
    /// Addresses are translated by the tables that the registers name.
    var walksTables = false

    func translate(_ address: VirtualAddress, on processor: Int) throws(TranslationFault) -> Translation {
        translations += 1
        if walksTables {
            return try traits.layout.architecture.paging(files[processor]).translate(address, in: ram)
        }
        var physical = PhysicalAddress(address.rawValue)
        if let canonicalBits {
            let unused = 64 - canonicalBits
            let extended = Int64(bitPattern: address.rawValue << UInt64(unused)) >> unused
            if UInt64(bitPattern: extended) != address.rawValue { throw .nonCanonical(address) }
        }
        if let pages {
            let page = address.rawValue & ~(Self.pageSize - 1)
            guard let frame = pages[page] else {
                throw .notPresent(address, level: 1, entry: PhysicalAddress(0x100))
            }
            physical = PhysicalAddress(frame | address.rawValue & (Self.pageSize - 1))
        }
        if isEverywhere { physical.rawValue %= UInt64(ram.bytes.count) }
        return Translation(
            physical: physical, pageSize: pageSize, isWritable: true, isUser: false, isExecutable: true)
    }

    func arrange(_ arrangement: Arrangement) throws(Refusal) {
        if let reason = objection(arrangement) { throw Refusal(reason) }
        arrangements.append(arrangement)
    }

    /// The guest has asked for a reset.
    var isResetDue = false

    func reset() throws(Refusal) {
        if let resetObjection { throw Refusal(resetObjection) }
        resets += 1
        isResetDue = false
    }

    /// A machine with a GIC, in place of a PC's controllers.
    var board: GICv2? {
        didSet { traits.gicInterrupts = board?.configuration.interrupts }
    }

    /// A machine with the kernel's GICv3.
    var third: GICv3? {
        didSet { traits.gicInterrupts = third?.interrupts }
    }

    func completeReset() throws(Refusal) {
        if isResetDue { try reset() }
    }

    /// A PC's interrupt controllers, and what was done to them: they note it and stay as they are.
    var controllers = PCInterruptController(PCInterruptController.Configuration())
    private(set) var changes: [PCInterruptController.Change] = []
    /// Whether they accept it.
    var performs = true
    /// What was asked of the controllers, of whichever kind.
    private(set) var requests: [InterruptRequest] = []
    private(set) var savedFiles: [String: [UInt8]] = [:]
    var record = InterruptView.Record.everything

    private var facts: [ProcessorFacts] {
        [ProcessorFacts](repeating: ProcessorFacts(), count: traits.processorCount)
    }

    func interrupts() throws(Refusal) -> InterruptView {
        if let third {
            return InterruptView(
                third, journal: nil, facts: facts, now: ModelTime(nanoseconds: 0), devices: [33: "PL011"])
        }
        guard let board else {
            return InterruptView(controllers, facts: facts, now: ModelTime(nanoseconds: 1000), record: record)
        }
        return InterruptView(
            board, journal: record == .everything ? board.journal : nil, facts: facts, now: ModelTime(nanoseconds: 0),
            devices: [33: "serial port"])
    }

    func perform(_ request: InterruptRequest) throws(Refusal) -> String {
        let result: InterruptResult
        switch request {
        case .record, .clearRecord: result = InterruptResult("")
        default:
            if third != nil {
                result = third!.perform(request, facts).result
            } else if board != nil {
                result = board!.perform(request, facts, at: ModelTime(nanoseconds: 0))
            } else {
                result = try performOnPC(request)
            }
        }
        guard result.isDone else { throw Refusal(result.text) }
        requests.append(request)
        return "\(result)"
    }

    private func performOnPC(_ request: InterruptRequest) throws(Refusal) -> InterruptResult {
        do throws(PCInterruptController.Objection) {
            let wanted = try controllers.changes(for: request)
            if performs { changes += wanted }
            return try controllers.result(of: request, wanted, accepted: performs ? wanted.count : 0, facts)
        } catch {
            throw Refusal(error.text)
        }
    }

    func save(_ bytes: [UInt8], as name: String) throws(Refusal) { savedFiles[name] = bytes }

    func report(_ topic: ReportTopic) -> String {
        switch topic {
        case .processor(let number): "state of \(number)"
        default: "report on \(topic)"
        }
    }

    func set(_ name: String, _ value: UInt64, of processor: Int = 0) {
        files[processor].set(traits.layout[name: name]!, to: value)
    }

    func get(_ name: String, of processor: Int = 0) -> UInt64 {
        files[processor].number(traits.layout[name: name]!)
    }
}
