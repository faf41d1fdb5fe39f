import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct LayoutTests {
    @Test(
        "Boot structures go around an image in low memory",
        arguments: [
            0x1000, 0x3000, 0x8000, 0x9_E000,
        ] as [UInt64])
    func aroundImage(start: UInt64) throws {
        let ram = try ram()
        let elf = TestELF(
            entry: start,
            segments: [.init(virtual: start, physical: start, bytes: multibootHeader(), memorySize: 0x4800)])
        for format in [ImageFormat.elf, .multiboot] {
            let image = try load(elf.file, options: LoadOptions(format: format), into: ram)
            expectSound(image, in: ram)
            #expect(image.placements.dropFirst().allSatisfy { $0.range.upperBound.rawValue <= 0x9_F000 })
        }
    }

    @Test("Boot structures go above the image when low memory is full")
    func lowFull() throws {
        let ram = try ram()
        let elf = TestELF(
            entry: 0x1000, segments: [.init(virtual: 0x1000, physical: 0x1000, memorySize: 0x30_0000)])
        let image = try load(elf.file, into: ram)
        expectSound(image, in: ram)
        #expect(image.placements.dropFirst().allSatisfy { $0.address.rawValue >= 0x30_1000 })
    }

    @Test("Boot structures go below an image that ends with memory")
    func imageOnTop() throws {
        let ram = try ram(16 << 20)
        let elf = TestELF(
            entry: 0x80_0000,
            segments: [
                .init(virtual: 0x1000, physical: 0x1000, memorySize: 0xF_F000),
                .init(virtual: 0x80_0000, physical: 0x80_0000, memorySize: 0x80_0000),
            ])
        let image = try load(elf.file, into: ram)
        expectSound(image, in: ram)
        #expect(image.placements.dropFirst(2).allSatisfy { (0x10_0000..<0x80_0000).contains($0.address.rawValue) })
    }

    @Test("Without any room left, what did not fit is named")
    func full() throws {
        let elf = TestELF(
            entry: 0x1000, segments: [.init(virtual: 0x1000, physical: 0x1000, memorySize: (16 << 20) - 0x1000)])
        #expect(
            try loadErrorText(elf.file, memory: try ram(16 << 20))
                == "no room in memory (16 MiB) for the stack of 16 KiB beside the image")
        let real = LoadOptions(format: .flat, loadAddress: PhysicalAddress(0))
        #expect(
            try loadError([UInt8](repeating: 0, count: 0x9_F000), real)
                == .noRoom("stack", size: 0x1000, memory: 256 << 20))
    }

    @Test("An initrd that does not fit is refused")
    func initrd() throws {
        let options = LoadOptions(initrd: [UInt8](repeating: 1, count: 1 << 20))
        #expect(
            try loadErrorText(rawMultiboot, options, memory: try ram(2 << 20))
                == "no room in memory (2 MiB) for the initrd of 1 MiB beside the image")
        expectSound(try load(rawMultiboot, options: options, into: ram(3 << 20)), in: try ram(3 << 20))
    }

    @Test(
        "Initrds of no bytes and of many lie above the kernel on a page border", arguments: [0, 1, 0x1000, 5_000_001])
    func initrdSizes(count: Int) throws {
        let options = LoadOptions(initrd: [UInt8](repeating: 1, count: count))
        let image = try load(rawMultiboot, options: options, into: ram())
        expectSound(image, in: try ram())
        #expect(image.placements.contains { $0.address.rawValue == 0x10_2000 && $0.length == UInt64(count) })
    }

    @Test("Allocations never overlap what is taken", arguments: [1, 2, 3, 4, 5] as [UInt64])
    func random(seed: UInt64) throws {
        var generator = Seeded(seed)
        var layout = Layout(memory: try ram(1 << 24))
        layout.placeImage([], at: PhysicalAddress(0x4_0000), length: 0x1_2345)
        var taken = [UInt64(0x4_0000)..<0x5_2345]
        for _ in 0..<300 {
            let size = UInt64.random(in: 0...0x8000, using: &generator)
            let alignment = UInt64(1) << UInt64.random(in: 0...13, using: &generator)
            guard let start = try? layout.allocate(size, alignment: alignment, for: "test").rawValue else { break }
            #expect(start % alignment == 0 && start >= 0x1000 && start + size <= 1 << 24)
            #expect(start + size <= 0x9_F000 || start >= 0x10_0000)
            #expect(size == 0 || !taken.contains { $0.overlaps(start..<start + size) })
            taken.append(start..<start + size)
        }
        #expect(taken.count > 100)
    }
}
