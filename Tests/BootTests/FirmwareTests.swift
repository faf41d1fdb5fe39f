import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct FirmwareTests {
    private func rom(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0 >> 12 ^ $0) } }

    @Test(
        "Firmware ends at 4 GiB and at 1 MiB, and starts at the reset vector", arguments: [0x1000, 0x2_0000, 0x8_0000])
    func places(size: Int) throws {
        let file = rom(size)
        let memory = try MachineMemory(size: 64 << 20, firmwareSize: UInt64(size))
        let image = try load(file, options: LoadOptions(format: .firmware), into: memory)
        expectSound(image, in: memory)
        #expect(image.start.code.base + image.start.instructionPointer == 0xFFFF_FFF0)
        #expect(image.start.mode == .real && image.start.code.selector == 0xF000)
        let loaded = LoadedMemory(image)
        #expect(loaded.bytes(0x1_0000_0000 - UInt64(size), count: size) == file)
        let shadow = min(size, 0x4_0000)
        #expect(loaded.bytes(0x10_0000 - UInt64(shadow), count: shadow) == Array(file.suffix(shadow)))
    }

    @Test("Read-only memory is memory, and no RAM for a kernel", arguments: [64, 5 << 10] as [UInt64])
    func memory(mebibytes: UInt64) throws {
        let memory = try MachineMemory(size: mebibytes << 20, firmwareSize: 0x4_0000)
        let rom = PhysicalAddress(0xFFFC_0000)..<PhysicalAddress(0x1_0000_0000)
        #expect(memory.firmware == rom && memory.ranges.contains(rom))
        #expect(memory.contains(rom) && !memory.contains(PhysicalAddress(0xFFFB_F000)..<rom.upperBound))
        #expect(!memory.map.contains { $0.range.overlaps(rom) })
        for (previous, next) in zip(memory.ranges, memory.ranges.dropFirst()) {
            #expect(previous.upperBound <= next.lowerBound)
        }
    }

    @Test("A size that is no ROM's is refused", arguments: [0x1001, 0xFFF, 0x100_1000, 0] as [UInt64])
    func sizes(size: UInt64) throws {
        #expect {
            let memory = try MachineMemory(size: 64 << 20, firmwareSize: size)
            _ = try load([0], options: LoadOptions(format: .firmware), into: memory)
        } throws: { error in
            if case .firmwareSize = error as? BootError { true } else { false }
        }
    }
}
