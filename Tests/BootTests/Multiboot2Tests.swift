import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct Multiboot2Tests {
    /// The tags at EBX by type, in order, without type and size.
    private func tags(_ image: BootImage) throws -> [(type: UInt64, body: [UInt8])] {
        let memory = LoadedMemory(image)
        let base = image.start.rbx
        #expect(base % 8 == 0)
        let size = memory.number(base, count: 4)
        var tags: [(type: UInt64, body: [UInt8])] = []
        var next = base + 8
        while next < base + size {
            let (type, length) = (memory.number(next, count: 4), memory.number(next + 4, count: 4))
            tags.append((type, memory.bytes(next + 8, count: Int(length) - 8)))
            next = (next + length).roundedUp(to: 8)
        }
        #expect(next == base + size && tags.last?.type == 0)
        return tags
    }

    private func kernel(_ header: [UInt8]) -> [UInt8] { TestELF.simple(bytes: header + [0xF4]).file }

    @Test("The tags have command line, modules, memory, sections and ACPI")
    func information() throws {
        let (file, options) = validImages[10]
        let image = try load(file, options: options, into: ram())
        expectSound(image, in: try ram())
        #expect(image.format == .multiboot2 && image.start.mode == .protected)
        #expect(image.start.rax == 0x36D7_6289 && image.start.instructionPointer == 0x10_0000)
        let tags = try tags(image)
        #expect(tags.map(\.type) == [1, 2, 3, 3, 4, 6, 8, 9, 14, 15, 0])
        func body(_ type: UInt64) -> [UInt8] { tags.first { $0.type == type }?.body ?? [] }
        #expect(body(1) == Array("a b".utf8) + [0] && body(2) == Array("stubvisor".utf8) + [0])
        let modules = tags.filter { $0.type == 3 }.map(\.body)
        let memory = LoadedMemory(image)
        for (module, (bytes, text)) in zip(modules, [([1, 2, 3], "initrd"), ([4], "m x")] as [([UInt8], String)]) {
            let (start, end): (UInt64, UInt64) = (module.number(at: 0, count: 4), module.number(at: 4, count: 4))
            #expect(start % 0x1000 == 0 && memory.bytes(start, count: Int(end - start)) == bytes)
            #expect(Array(module[8...]) == Array(text.utf8) + [0])
        }
        #expect(body(4).number(at: 0, count: 4) == 639)
        #expect(body(4).number(at: 4, count: 4) == 255 * 1024)
        let map = try ram().map
        #expect(body(6).number(at: 0, count: 8) == 24 && body(6).count == 8 + 24 * map.count)
        for (index, entry) in map.enumerated() {
            let row = (0..<3).map { body(6).number(at: 8 + index * 24 + $0 * 8, count: 8) as UInt64 }
            #expect(row == [entry.range.lowerBound.rawValue, entry.size, UInt64(entry.kind.rawValue)])
        }
        #expect(body(8) == [0, 0x80, 0xB, 0, 0, 0, 0, 0, 160, 0, 0, 0, 80, 0, 0, 0, 25, 0, 0, 0, 16, 2, 0, 0])
        #expect((0..<3).map { body(9).number(at: $0 * 4, count: 4) } == [2, 64, 1])
        let strings: UInt64 = body(9).number(at: 12 + 64 + 16, count: 8)
        #expect(memory.bytes(strings, count: TestELF.strings.count) == TestELF.strings)
        #expect(body(15) == memory.bytes(0xF_0000, count: 36) && body(14) == Array(body(15).prefix(20)))
    }

    @Test("A raw image loads by the address and entry tags")
    func raw() throws {
        let image = try load(rawMultiboot2, into: ram())
        expectSound(image, in: try ram())
        #expect(image.placements[0].address.rawValue == 0x10_0000 && image.placements[0].bytes == rawMultiboot2)
        #expect(image.placements[0].length == 0x1044 && image.start.instructionPointer == 0x10_0040)
        // All of the file, from its start.
        let whole = multiboot2Header([(2, [0x20_0010, UInt32.max, 0, 0]), (3, [0x20_0000])])
        let moved = try load([UInt8](repeating: 0xF4, count: 16) + whole, into: ram())
        #expect(moved.placements[0].address.rawValue == 0x20_0000)
        #expect(moved.start.instructionPointer == 0x20_0000)
    }

    @Test("An entry tag counts more than ELF's entry")
    func entry() throws {
        let header = multiboot2Header([(3, [0x10_0020])])
        #expect(try load(kernel(header), into: ram()).start.instructionPointer == 0x10_0020)
    }

    @Test("What a kernel wishes and can do without is ignored, and what it requires is named")
    func wishes() throws {
        let tags: [(type: UInt16, fields: [UInt32], text: String)] = [
            (1, [6, 17], "a request for boot information of type 17, which is missing here"),
            (
                5, [1024, 768, 32],
                "a request for a framebuffer of 1024 by 768, 32 bits deep; there is a text screen only"
            ),
            (11, [], "a tag of type 11, which is missing here"),
        ]
        for tag in tags {
            let required = kernel(multiboot2Header([(tag.type, tag.fields)]))
            #expect(
                try loadErrorText(required) == "the multiboot2 header has at file offset 0x90 \(tag.text)",
                "\(tag.type)")
            let optional = kernel(multiboot2Header([(tag.type, tag.fields)], flags: 1))
            #expect(try load(optional, into: ram()).format == .multiboot2)
        }
    }

    @Test(
        "A damaged header is refused with its place",
        arguments: [
            (8, 0xFFFF, "multiboot2 header at file offset 0x80 needs 65535 bytes"),
            (8, 16, "the multiboot2 header has at file offset 0x80 no end tag"),
            (4, 4, "the multiboot2 header has at file offset 0x84 architecture 4, expected 0 (i386)"),
            (20, 7, "the multiboot2 header has at file offset 0x90 a tag of 7 bytes, expected 8 or more"),
            (20, 0xFFFF_FFF8, "the multiboot2 header has at file offset 0x90 a tag of 4294967288 bytes"),
            (16, 2, "the multiboot2 header has at file offset 0x90 a tag of type 2 without its 4 fields"),
        ] as [(Int, UInt32, String)])
    func damaged(offset: Int, value: UInt32, text: String) throws {
        var header = multiboot2Header([(3, [0x10_0000])])
        header.store(value, at: offset, count: 4)
        let words: [UInt32] = [0, 4, 8].map { header.number(at: $0, count: 4) }
        header.store(0 &- words.reduce(0, &+), at: 12, count: 4)
        let error = try loadErrorText(kernel(header), LoadOptions(format: .multiboot2))
        #expect(error.hasPrefix(text), "\(error)")
    }

    @Test("A section header table beyond the file is refused")
    func sections() throws {
        var file = TestELF.simple(bytes: multiboot2Header([]) + [0xF4]).withSections().file
        file.store(0xFFFF as UInt32, at: 0x28, count: 4)
        #expect(try loadErrorText(file).hasPrefix("section header table at file offset 0xffff needs 128 bytes"))
        // A string table that lies about its place.
        file = TestELF.simple(bytes: multiboot2Header([]) + [0xF4]).withSections().file
        file.store(UInt64.max, at: file.count - 64 + 24, count: 8)
        #expect(try loadErrorText(file).hasPrefix("section 1 at file offset 0xffffffffffffffff needs 11 bytes"))
    }
}
