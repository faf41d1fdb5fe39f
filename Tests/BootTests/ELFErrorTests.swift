import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct ELFErrorTests {
    @Test(
        "A damaged header says which field, where and what was expected",
        arguments: [
            (4, 3, "ELF class at file offset 0x4 is 3, expected 1 (32-bit) or 2 (64-bit)"),
            (5, 2, "ELF byte order at file offset 0x5 is 2 (big-endian), expected 1 (little-endian)"),
            (
                16, 1,
                "ELF type at file offset 0x10 is 1 (relocatable object), expected 2 (executable) or "
                    + "3 (position-independent)"
            ),
            (18, 183, "ELF machine at file offset 0x12 is AArch64, expected x86-64 in a 64-bit file"),
            (18, 3, "ELF machine at file offset 0x12 is 386, expected x86-64 in a 64-bit file"),
            (18, 99, "ELF machine at file offset 0x12 is machine 99, expected x86-64 in a 64-bit file"),
            (54, 32, "ELF program header size at file offset 0x36 is 32, expected 56"),
            (4, 1, "ELF machine at file offset 0x12 is x86-64, expected 386 in a 32-bit file"),
        ] as [(Int, UInt8, String)])
    func header(offset: Int, value: UInt8, text: String) throws {
        var file = TestELF.simple().file
        file[offset] = value
        #expect(try loadErrorText(file) == text)
    }

    @Test("An empty file and a cut header are distinguished")
    func short() throws {
        #expect(try loadError([]) == .emptyFile)
        #expect(
            try loadErrorText(Array(TestELF.simple().file.prefix(63)))
                == "ELF header at file offset 0x0 needs 64 bytes, but the file ends at 0x3f")
        #expect(
            try loadErrorText(Array(TestELF.simple().file.prefix(100)))
                == "program header table at file offset 0x40 needs 56 bytes, but the file ends at 0x64")
    }

    @Test("A program header table at an impossible offset is refused")
    func tableOffset() throws {
        var file = TestELF.simple().file
        for i in 0..<8 { file[32 + i] = 0xFF }
        #expect(
            try loadError(file)
                == .truncated(part: "program header table", offset: .max, count: 56, fileSize: file.count))
    }

    @Test(
        "A segment that does not fit says which and why",
        arguments: [
            (
                TestELF.Segment(virtual: 0x4000_0000, physical: 0x4000_0000, memorySize: 0x1000),
                "program header 0 at file offset 0x40 loads 0x40000000..0x40001000, outside of memory (256 MiB)"
            ),
            (
                .init(virtual: 0x10_0000, physical: 0x10_0000, memorySize: 1 << 60),
                "program header 0 at file offset 0x40 loads 0x100000..0x1000000000100000, outside of memory (256 MiB)"
            ),
            (
                .init(virtual: 0x1000, physical: 0x1000, memorySize: .max),
                "program header 0 at file offset 0x40 loads 0xffffffffffffffff bytes at 0x1000, "
                    + "outside of memory (256 MiB)"
            ),
            (
                .init(virtual: 0x10_0000, physical: 0x10_0000, memorySize: 2),
                "program header 0 at file offset 0x40 has 3 bytes in the file, "
                    + "expected at most its size in memory, 2 bytes"
            ),
            (
                .init(virtual: 0x10_0000, physical: 0x10_0000, memorySize: 0x1000, fileSize: 0x800),
                "program header 0 at file offset 0x40 has 2 KiB at file offset 0x80, but the file ends at 0x83"
            ),
            (
                .init(virtual: 0x10_0000, physical: 0x10_0000, offset: .max),
                "program header 0 at file offset 0x40 has 3 bytes at file offset 0xffffffffffffffff, "
                    + "but the file ends at 0x83"
            ),
            (
                .init(virtual: 0x0000_8000_0010_0000, physical: 0x10_0000),
                "program header 0 at file offset 0x40 has the virtual address 0x800000100000 and 3 bytes, "
                    + "expected a range of canonical addresses"
            ),
            (
                .init(virtual: 0xFFFF_FFFF_FFFF_F000, physical: 0x10_0000, memorySize: 0x1001),
                "program header 0 at file offset 0x40 has the virtual address 0xfffffffffffff000 and 4097 bytes, "
                    + "expected a range of canonical addresses"
            ),
            (
                .init(virtual: 0x10_0800, physical: 0x10_0000),
                "program header 0 at file offset 0x40 has the virtual address 0x100800 and the physical address "
                    + "0x100000, expected the same offset in a 4 KiB page"
            ),
        ] as [(TestELF.Segment, String)])
    func segment(segment: TestELF.Segment, text: String) throws {
        #expect(try loadErrorText(TestELF(entry: segment.virtual, segments: [segment]).file) == text)
    }

    @Test("A segment may fill the last page of the address space")
    func lastPage() throws {
        let segment = TestELF.Segment(virtual: 0xFFFF_FFFF_FFFF_F000, physical: 0x10_0000, memorySize: 0x1000)
        let image = try load(TestELF(entry: segment.virtual, segments: [segment]).file, into: ram())
        #expect(LoadedMemory(image).translate(.max) == 0x10_0FFF)
    }

    @Test(
        "Segments that overlap in memory are refused, in either order", arguments: [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    func overlap(order: [Int]) throws {
        let segments: [TestELF.Segment] = [
            .init(virtual: 0x10_0000, physical: 0x10_0000, memorySize: 0x1001),
            .init(virtual: 0x10_1000, physical: 0x10_1000, memorySize: 0x10),
            .init(virtual: 0x20_0000, physical: 0x20_0000),
        ]
        let error = try loadError(TestELF(entry: 0x10_0000, segments: order.map { segments[$0] }).file)
        guard case .segment(_, _, .overlaps(_, at: PhysicalAddress(0x10_1000))) = error else {
            Issue.record("expected an overlap, got \(error)")
            return
        }
        #expect("\(error)".contains("loads 0x101000, which program header"))
    }

    @Test("A file that loads nothing is refused")
    func nothing() throws {
        #expect(try loadError(TestELF(entry: 0, segments: []).file) == .noLoadableSegment(programHeaders: 0))
        let empty = TestELF(entry: 0, segments: [.init(virtual: 0x1000, physical: 0x1000, bytes: [])])
        #expect(
            try loadErrorText(empty.file)
                == "none of the 1 program headers loads anything, expected a PT_LOAD segment")
    }

    @Test("An entry outside of every segment is refused", arguments: [0, 0xF_FFFF, 0x10_0002, .max] as [UInt64])
    func entry(entry: UInt64) throws {
        var elf = TestELF.simple()
        elf.entry = entry
        #expect(
            try loadError(elf.file)
                == .entryOutsideImage(
                    entry: entry, loaded: PhysicalAddress(0x10_0000)..<PhysicalAddress(0x10_0002)))
    }
}
