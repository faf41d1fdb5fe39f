import Architecture
import Boot
import KVM
import Primitives
import TestSupport
import Testing

@testable import Machine

extension HostDebugCapabilities {
    fileprivate var trapsEverything: Bool { readOnlyMemoryExits && removedMemoryExits }
}

/// Pages whose accesses exit, as a guest's own loads and stores meet them.
@Suite(
    "Memory slots",
    .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")),
    .enabled(
        if: try Sandbox.isPossible && Probe.run(System()).trapsEverything,
        "this host's KVM has no memory that exits"))
struct MemorySlotTests {
    /// Pages of the probe's guest that hold nothing of its own.
    private static let free = stride(from: 0x2_0000 as UInt64, to: 0x10_0000, by: 0x1000).map { $0 }

    /// Stores one byte at `address`: whether the store exited, with its byte.
    private func store(_ byte: UInt8, at address: UInt64, _ sandbox: Sandbox) throws -> Bool {
        _ = sandbox.memory.write(PhysicalAddress(ProbeGuest.code), ProbeGuest.store[...])
        var file = sandbox.fresh
        ProbeGuest.prepare(&file, .kernel, data: address)
        file["rax"] = UInt64(byte)
        try sandbox.vcpu.set(.system, from: file.storage, at: X86.Storage.system)
        try sandbox.vcpu.set(.general, from: file.storage, at: X86.Storage.general)
        switch try sandbox.vcpu.run() {
        case .mmioWrite(let place, let data, let size):
            #expect(place == PhysicalAddress(address) && UInt8(truncatingIfNeeded: data) == byte && size == 1)
            _ = try sandbox.vcpu.complete()
            sandbox.vcpu.clearKick()
            return true
        case .halt: return false
        case let other:
            Issue.record("\(other)")
            return false
        }
    }

    /// Loads a byte from `address`: whether that exited. The guest must get what memory holds.
    private func load(from address: UInt64, _ sandbox: Sandbox) throws -> Bool {
        _ = sandbox.memory.write(PhysicalAddress(ProbeGuest.code), ProbeGuest.load[...])
        var file = sandbox.fresh
        ProbeGuest.prepare(&file, .kernel, data: address)
        try sandbox.vcpu.set(.system, from: file.storage, at: X86.Storage.system)
        try sandbox.vcpu.set(.general, from: file.storage, at: X86.Storage.general)
        var exit = try sandbox.vcpu.run()
        let exited = exit == .mmioRead(address: PhysicalAddress(address), size: 1)
        if exited {
            sandbox.vcpu.answerMMIO(sandbox.memory.load(PhysicalAddress(address), size: 1))
            exit = try sandbox.vcpu.run()
        }
        #expect(exit == .halt)
        let byte = try UInt8(truncatingIfNeeded: sandbox.get()["rax"])
        #expect(byte == self.byte(at: address, sandbox.memory))
        return exited
    }

    private func byte(at address: UInt64, _ memory: GuestMemory) -> UInt8 {
        var bytes: [UInt8] = [0]
        _ = memory.read(PhysicalAddress(address), into: &bytes)
        return bytes[0]
    }

    @Test("exactly the trapped pages exit, through any sequence of sets", arguments: 1...4 as ClosedRange<UInt64>)
    func sequence(seed: UInt64) throws {
        var random = Seeded(seed)
        let sandbox = try Sandbox(ProbeGuest.memory(), inOneSlot: false)
        var slots = MemorySlots()
        for round in 0..<15 {
            // Neighbours, single pages, the last page, and none at all.
            var pages: [UInt64: PageTrap] = [:]
            for page in Self.free where random.chance(round % 5 * 8) {
                pages[page] = random.chance(50) ? .readOnly : .removed
            }
            if round % 3 == 1 { pages[Self.free.last!] = .readOnly }
            try slots.set(trapping: pages, of: sandbox.memory, in: sandbox.vm)
            #expect(slots.trapped == pages)
            for _ in 0..<8 {
                let page = Self.free.randomElement(using: &random)!
                let address = page + UInt64.random(in: 0..<0x1000, using: &random)
                let before = byte(at: address, sandbox.memory)
                let value = before &+ UInt8.random(in: 1...255, using: &random)
                #expect(try load(from: address, sandbox) == (pages[page] == .removed))
                let exited = try store(value, at: address, sandbox)
                #expect(exited == (pages[page] != nil), "\(hexadecimal(address)) in round \(round)")
                #expect(slots.trap(at: PhysicalAddress(address)) == pages[page])
                #expect(byte(at: address, sandbox.memory) == (exited ? before : value))
            }
        }
    }

    @Test("every page of memory can be trapped and let go again")
    func all() throws {
        let sandbox = try Sandbox(ProbeGuest.memory(), inOneSlot: false)
        var slots = MemorySlots()
        try slots.set(
            trapping: Dictionary(uniqueKeysWithValues: Self.free.map { ($0, .readOnly) }), of: sandbox.memory,
            in: sandbox.vm)
        for page in Self.free { #expect(try store(1, at: page + 8, sandbox)) }
        try slots.set(trapping: [:], of: sandbox.memory, in: sandbox.vm)
        for page in Self.free { #expect(try !store(2, at: page + 8, sandbox)) }
    }
}
