import Architecture
import Interrupts
import Primitives
import TestSupport

@testable import Debugger
@testable import RemoteProtocol

/// A machine of 64 KiB whose paging, registers and memory are what a client makes of them.
private final class AnyMachine: DebugTarget, PhysicalMemory {
    let traits: TargetTraits
    private var bytes: [UInt8]
    private var files: [RegisterFile]
    private(set) var armed = Arrangement()
    private lazy var controllers: PCInterruptController = {
        var configuration = PCInterruptController.Configuration()
        configuration.processors = traits.processorCount
        return PCInterruptController(configuration)
    }()
    /// A table whose entries lead to itself: everything they map is mapped over and over.
    private static let table = 0x1000
    private static let noise: [UInt8] = {
        var random = Seeded(1)
        return random.bytes(0x1_0000)
    }()

    /// `kind` chooses the layout, the processors, how breakpoints are set and whether there is paging: some pages, or
    /// all 2^48 bytes.
    init(kind: UInt8) {
        let layout = [X86.layout64, X86.layout64, X86.layout32, X86.layout16][Int(kind & 3)]
        traits = TargetTraits(
            layout: layout, processorCount: kind & 4 == 0 ? 1 : 3, breakpointInstruction: kind & 8 == 0 ? [0xcc] : nil)
        bytes = Self.noise
        var file = RegisterFile(size: X86.Storage.size)
        if kind & 16 != 0, kind & 2 == 0 {
            for entry in 0..<512 {
                let isPresent = kind & 32 != 0 || entry < 2 || entry > 509
                bytes.store(UInt64(isPresent ? Self.table | 3 : 0), at: Self.table + entry * 8, count: 8)
            }
            let values: [(String, UInt64)] = [
                ("cr0", 0x8000_0011), ("cr3", UInt64(Self.table)), ("cr4", 0x20), ("efer", 0x500),
            ]
            for (name, value) in values { file.set(layout[name: name]!, to: value) }
        }
        file.changed = []
        files = [RegisterFile](repeating: file, count: traits.processorCount)
    }

    var memory: any PhysicalMemory { self }

    func registers(of processor: Int, having blocks: RegisterBlocks) -> RegisterFile { files[processor] }

    func programCounter(of processor: Int) -> VirtualAddress {
        VirtualAddress(files[processor].number(traits.layout.registers[traits.layout.programCounter]))
    }

    func setRegisters(_ file: RegisterFile, of processor: Int) throws(Refusal) {
        files[processor] = file
        files[processor].changed = []
    }

    func modelSpecific(_ index: UInt32, of processor: Int) throws(Refusal) -> UInt64 { UInt64(index) }

    func setModelSpecific(_ index: UInt32, to value: UInt64, of processor: Int) throws(Refusal) {
        if value >> 48 != 0 { throw Refusal("not accepted") }
    }

    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        guard address.rawValue >> 12 == 0xfee00 else { throw Refusal("\(address) is no device") }
        return [UInt8](repeating: 0, count: min(count, 0x1000 - Int(address.rawValue & 0xfff)))
    }

    func interrupts() throws(Refusal) -> InterruptView {
        let facts = [ProcessorFacts](repeating: ProcessorFacts(), count: traits.processorCount)
        return InterruptView(controllers, facts: facts, now: ModelTime(nanoseconds: 0), record: .everything)
    }

    func perform(_ request: InterruptRequest) throws(Refusal) -> String { "" }

    func save(_ bytes: [UInt8], as name: String) throws(Refusal) { throw Refusal("no files here") }

    func translate(_ address: VirtualAddress, on processor: Int) throws(TranslationFault) -> Translation {
        try X86.paging(files[processor]).translate(address, in: self)
    }

    func arrange(_ arrangement: Arrangement) throws(Refusal) {
        if arrangement.execution.count > 4 { throw Refusal("no debug register is free") }
        armed = arrangement
    }

    func reset() throws(Refusal) {}
    func completeReset() {}

    func report(_ topic: ReportTopic) -> String { "\(topic)" }

    var ranges: [Range<PhysicalAddress>] { [PhysicalAddress(0)..<PhysicalAddress(UInt64(bytes.count))] }

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

/// Conversations: what clients say first, then a few packets.
private let conversations: [[UInt8]] = {
    var random = Seeded(7)
    return (0..<100).map { round in
        let packets =
            ["QStartNoAckMode", validPackets[0]] + (0..<8).map { _ in validPackets.randomElement(using: &random)! }
        return [UInt8(round % 32)] + Array(packets.joined(separator: "\n").utf8)
    }
}()

extension FuzzEntry {
    /// Packets, a line each, behind a byte that chooses the machine; a line that begins with 0xff is sent as it stands.
    static let session = FuzzEntry(
        name: "session", quick: 500, seeds: conversations, words: validPackets.map { Array("\n\($0)\n".utf8) }
    ) { input in
        let machine = AnyMachine(kind: input.first ?? 0)
        let session = Session(machine, stop: StopEvent(.held, on: 0))
        for line in input.dropFirst().split(separator: 0x0a) {
            session.feed((line.first == 0xff ? Array(line.dropFirst()) : frame(line))[...])
            func stop(_ plan: ResumePlan) {
                let processor = plan.actions.firstIndex { $0 != .stay } ?? 0
                let here = machine.programCounter(of: processor)
                let causes: [StopCause] = [
                    .stepped, .breakpoint(here), .watchpoint(.write, here), .caught, .interrupted,
                ]
                session.report(StopEvent(causes[line.count % causes.count], on: processor, explanation: "moved"))
            }
            while let demand = session.next() {
                if case .resume(let plan) = demand { stop(plan) }
            }
            if let plan = session.continuation() { stop(plan) }
            if let flaw = flaw(of: session.framer.outgoing) { return flaw }
            session.sent(session.framer.outgoing.count)
        }
        session.close()
        return machine.armed == Arrangement() ? nil : "something stayed armed"
    }

    /// What is wrong with a server's side of a stream.
    private static func flaw(of stream: [UInt8]) -> String? {
        var rest = stream[...]
        while let first = rest.popFirst() {
            if first == Mark.ack || first == Mark.nak { continue }
            guard first == Mark.start || first == Mark.notification, let end = rest.firstIndex(of: Mark.end),
                end + 2 < rest.endIndex
            else {
                return "no packet: \(String(decoding: rest.prefix(80), as: UTF8.self))"
            }
            // An escape may double a byte.
            if end - rest.startIndex > 2 * Session.packetSize { return "a reply of \(end - rest.startIndex) bytes" }
            let sum = UInt8(String(decoding: rest[end + 1...end + 2], as: UTF8.self), radix: 16)
            guard sum == Mark.checksum(rest[..<end]) else { return "a wrong checksum" }
            rest = rest[(end + 3)...]
        }
        return nil
    }
}
