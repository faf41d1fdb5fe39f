import Primitives
import Testing

@testable import Devices

/// Requests to fw_cfg that lie in memory.
@Suite struct FirmwareConfigurationTests {
    private let memory = TestMemory()
    private static let request: UInt64 = 0x1_2000
    private static let target: UInt64 = 0x1_3000

    private func device(_ item: [UInt8]) -> PCPlatform {
        PCPlatform(firmware: FirmwareConfiguration(items: [0x8001: item]))
    }

    /// Hands a request over and has it served: what its control word is then.
    private func perform(
        _ pc: inout PCPlatform, _ control: UInt32, _ length: UInt32, to target: UInt64 = target,
        at place: UInt64 = request
    ) -> UInt32 {
        memory.store(UInt64(control.byteSwapped), Self.request, 4)
        memory.store(UInt64(length.byteSwapped), Self.request + 4, 4)
        memory.store(target.byteSwapped, Self.request + 8, 8)
        let (high, low) = (UInt32(place >> 32), UInt32(truncatingIfNeeded: place))
        #expect(pc.ports.write(UInt64(high.byteSwapped), at: IOPort(0x514), size: 4, now: epoch) == Access())
        let access = pc.ports.write(UInt64(low.byteSwapped), at: IOPort(0x518), size: 4, now: epoch)
        #expect(access == Access(effect: .service))
        #expect(pc.ports.serve(memory, TestHost()) != nil && pc.ports.serve(memory, TestHost()) == nil)
        return UInt32(memory.number(Self.request, 4)).byteSwapped
    }

    private func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(memory.number(Self.target + UInt64($0), 1)) }
    }

    @Test("the ports of requests read as QEMU CFG")
    func signature() {
        var pc = device([])
        #expect(pc.ports.read(at: IOPort(0x514), size: 4, now: epoch).value == 0x554d_4551)
        #expect(pc.ports.read(at: IOPort(0x518), size: 4, now: epoch).value == 0x4746_4320)
        #expect(pc.ports.read(at: IOPort(0x51b), size: 1, now: epoch).value == 0x47)
    }

    @Test("a request selects, skips and reads, and what lies behind the item's end is zero")
    func reads() {
        var pc = device([1, 2, 3, 4, 5])
        memory.store(.max, Self.target, 8)
        #expect(perform(&pc, 0x8001_000a, 2) == 0 && bytes(3) == [1, 2, 0xff])
        #expect(perform(&pc, 4, 1) == 0)
        #expect(perform(&pc, 2, 4) == 0 && bytes(5) == [4, 5, 0, 0, 0xff])
        // What there is not is empty.
        #expect(perform(&pc, 0x1234_000a, 2) == 0 && bytes(2) == [0, 0])
        // The ports continue where a request ended.
        #expect(perform(&pc, 0x8001_000c, 3) == 0)
        #expect(pc.ports.read(at: IOPort(0x511), size: 1, now: epoch).value == 4)
    }

    @Test("a long item comes whole")
    func long() {
        let item = (0..<0x2_0000).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
        var pc = device(item)
        #expect(perform(&pc, 0x8001_000a, 0x2_0000) == 0)
        #expect(bytes(item.count) == item)
    }

    @Test(
        "what cannot be done is an error",
        arguments: [
            (0x8001_0018, 1, target), (0x8001_000a, 16, 0), (0x8001_000a, 16, 0xffff_ffff_ffff_fff8),
            (0x8001_000a, 0xffff_ffff, target),
        ] as [(UInt32, UInt32, UInt64)])
    func errors(control: UInt32, length: UInt32, target: UInt64) {
        var pc = device([1, 2, 3])
        #expect(perform(&pc, control, length, to: target) == 1)
    }

    @Test("a request outside of memory does nothing")
    func outside() {
        var pc = device([1])
        #expect(perform(&pc, 0x8001_000a, 1, at: 0xffff_ffff_ffff_fff8) == 0x8001_000a)
    }
}
