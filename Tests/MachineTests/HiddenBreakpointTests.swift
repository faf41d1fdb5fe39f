import Architecture
import Boot
import Primitives
import Testing

@testable import Machine

@Suite("Hidden breakpoints")
struct HiddenBreakpointTests {
    private let memory: GuestMemory
    private let hidden: HiddenBreakpoints
    private let place = PhysicalAddress(0x5000)

    init() throws {
        memory = try GuestMemory(MachineMemory(size: 1 << 20))
        _ = memory.write(place, [0x11, 0x22, 0x33])
        hidden = HiddenBreakpoints(memory)
    }

    private func bytes(_ source: some PhysicalMemory) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 3)
        #expect(source.read(place, into: &bytes))
        return bytes
    }

    @Test("are in memory, and nobody sees them")
    func unseen() {
        hidden.set([place + 1], for: 0, .handlers)
        #expect(bytes(memory) == [0x11, 0xcc, 0x33])
        #expect(bytes(hidden) == [0x11, 0x22, 0x33])
        #expect(hidden.original(at: place + 1) == 0x22)
        hidden.set([], for: 0, .handlers)
        #expect(bytes(memory) == [0x11, 0x22, 0x33])
        #expect(hidden.original(at: place + 1) == nil)
    }

    @Test("a write goes under them")
    func writes() {
        hidden.set([place + 1], for: 0, .handlers)
        #expect(hidden.write(place, [0x44, 0x55, 0x66]))
        #expect(bytes(memory) == [0x44, 0xcc, 0x66])
        #expect(bytes(hidden) == [0x44, 0x55, 0x66])
        hidden.set([], for: 0, .handlers)
        #expect(bytes(memory) == [0x44, 0x55, 0x66])
    }

    @Test("stay as long as one vCPU or purpose wants them")
    func owners() {
        hidden.set([place], for: 0, .handlers)
        hidden.set([place], for: 1, .handlers)
        hidden.set([place], for: 0, .step)
        hidden.set([], for: 0, .handlers)
        hidden.set([place + 2], for: 1, .handlers)
        #expect(bytes(memory) == [0xcc, 0x22, 0xcc])
        hidden.set([], for: 0, .step)
        #expect(bytes(memory) == [0x11, 0x22, 0xcc])
    }

    @Test("what a guest writes over one is its own, and stays")
    func overwritten() {
        hidden.set([place], for: 0, .handlers)
        _ = memory.write(place, [0x77])
        #expect(bytes(hidden) == [0x77, 0x22, 0x33])
        hidden.set([], for: 0, .handlers)
        #expect(bytes(memory) == [0x77, 0x22, 0x33])
    }

    @Test("a client's breakpoint on the same place comes and goes as if there were none")
    func underClients() {
        hidden.set([place], for: 0, .handlers)
        #expect(hidden.write(place, [0xcc]))
        #expect(bytes(hidden) == [0xcc, 0x22, 0x33])
        hidden.set([], for: 0, .handlers)
        #expect(bytes(memory) == [0xcc, 0x22, 0x33], "the client's is still there")
        hidden.set([place], for: 0, .handlers)
        #expect(hidden.write(place, [0x11]))
        #expect(bytes(hidden) == [0x11, 0x22, 0x33])
        #expect(bytes(memory)[0] == 0xcc)
    }
}

@Suite("Watched handlers")
struct HandlerWatchTests {
    private func source(_ vectors: Set<UInt8>, _ mode: InterruptGate.Mode, _ bytes: [UInt8]) -> HandlerWatch.Source {
        var source = HandlerWatch.Source()
        source.vectors = vectors
        source.table = InterruptTable(base: VirtualAddress(0x1000), limit: UInt16(bytes.count - 1), mode: mode)
        source.bytes = bytes
        return source
    }

    private func longGate(_ offset: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: (offset & 0xffff) | 8 << 16 | 0x8e << 40 | (offset >> 16 & 0xffff) << 48)
        bytes.append(littleEndian: offset >> 32)
        return bytes
    }

    @Test("are where the gates lead, with the stack's words")
    func long() {
        let empty = [UInt8](repeating: 0, count: 16)
        let bytes = longGate(0xffff_8000_1234_5678) + empty + empty + longGate(0x4000)
        let entries = HandlerWatch.entries(of: source([0, 3], .long, bytes)) { _ in 0x00af_9b00_0000_ffff }
        #expect(entries.map(\.address) == [VirtualAddress(0xffff_8000_1234_5678), VirtualAddress(0x4000)])
        #expect(entries.allSatisfy { $0.wordSize == 8 && !$0.hasErrorCode })
    }

    @Test("of a vector without a gate: the handler of what the processor raises instead, with its error code")
    func missing() throws {
        let bytes = (0..<16).flatMap { $0 == 13 ? longGate(0x9000) : [UInt8](repeating: 0, count: 16) }
        let entries = HandlerWatch.entries(of: source([3], .long, bytes)) { _ in 0x00af_9b00_0000_ffff }
        let entry = try #require(entries.first)
        #expect(entry.vector == 3 && entry.arrivesAs == 13 && entry.address == VirtualAddress(0x9000))
        #expect(entry.errorCode == 0x1b, "gate 3 of the IDT, while delivering an event")
        #expect(entry.hasErrorCode)
        #expect(HandlerWatch.entries(of: source([3], .long, Array(bytes.prefix(64)))) { _ in nil }.isEmpty)
    }

    @Test("in real mode are segment and offset, in 32-bit code have their segment's base")
    func others() {
        let vectors: [UInt8] = [0x34, 0x12, 0x00, 0xf0]
        let real = HandlerWatch.entries(of: source([0], .real, vectors)) { _ in nil }
        #expect(real.map(\.address) == [VirtualAddress(0xf_1234)])
        #expect(real.map(\.wordSize) == [2])
        let gate: [UInt8] = [0x78, 0x56, 0x08, 0x00, 0x00, 0x8e, 0x34, 0x12]
        let protected = HandlerWatch.entries(of: source([0], .protected, gate)) { _ in 0x10cf_9b00_0000_ffff }
        #expect(protected.map(\.address) == [VirtualAddress(0x2234_5678)])
        #expect(protected.map(\.wordSize) == [4])
    }
}
