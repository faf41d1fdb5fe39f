import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct PVHTests {
    @Test("An ELF file with the note starts at the note's entry in protected mode", arguments: [false, true])
    func start(is64: Bool) throws {
        let elf = TestELF.simple(is64: is64).with(notes: note("GNU", type: 3, [1, 2]) + pvhNote(0x10_0001))
        let image = try load(elf.file, into: ram())
        expectSound(image, in: try ram())
        #expect(image.format == .pvh)
        #expect(image.start.mode == .protected)
        #expect(image.start.instructionPointer == 0x10_0001)
        #expect(image.start.cr0 == 0x11 && image.start.cr4 == 0)
        #expect(image.start.task.limit == 0x67)
        #expect(image.summary.hasPrefix("PVH \(is64 ? "ELF64" : "ELF32")"))
    }

    @Test("The start info has command line, module and memory map")
    func startInfo() throws {
        let options = LoadOptions(commandLine: "panic=-1", initrd: [1, 2, 3])
        let image = try load(TestELF.simple().with(notes: pvhNote(0x10_0000)).file, options: options, into: ram())
        expectSound(image, in: try ram())
        let memory = LoadedMemory(image)
        let base = image.start.rbx
        func word(_ offset: UInt64) -> UInt64 { memory.number(base + offset, count: 8) }
        #expect(word(0) == 1 << 32 | 0x336E_C578)
        #expect(word(8) == 1 << 32)
        #expect(memory.string(word(24)) == "panic=-1")
        #expect(word(32) == 0)
        let module = (0..<4).map { memory.number(word(16) + 8 * $0, count: 8) }
        #expect(module[0] % 0x1000 == 0 && module[0] >= 0x10_0000)
        #expect(module[1] == 3 && module[3] == 0)
        #expect(memory.string(module[2]) == "initrd")
        #expect(memory.bytes(module[0], count: 3) == [1, 2, 3])
        #expect(word(48) == 4)
        for (index, entry) in try ram().map.enumerated() {
            let row = (0..<3).map { memory.number(word(40) + UInt64(index) * 24 + 8 * $0, count: 8) }
            #expect(row == [entry.range.lowerBound.rawValue, entry.size, UInt64(entry.kind.rawValue)])
        }
    }

    @Test("The note is found with a 64-bit entry and in segments of 8-byte alignment")
    func noteForms() throws {
        let entry: [UInt8] = [1, 0, 0x10, 0, 0, 0, 0, 0]
        let long = TestELF.simple().with(notes: note("Xen", type: 18, entry))
        #expect(try ELF(long.file).pvhEntry == 0x10_0001)
        let notes = note("GNU", type: 5, [1, 2, 3, 4], alignment: 8) + note("Xen", type: 18, entry, alignment: 8)
        #expect(try ELF(TestELF.simple().with(notes: notes, alignment: 8).file).pvhEntry == 0x10_0001)
    }

    @Test(
        "Other and damaged notes do not make a file PVH",
        arguments: [
            note("Xen", type: 17, [0, 0, 0x10, 0]), note("Xe", type: 18, [0, 0, 0x10, 0]),
            note("Xen", type: 18, [0, 0]), Array(pvhNote(0x10_0000).dropLast()),
            [255, 255, 255, 255, 255, 255, 255, 255],
            [UInt8](repeating: 255, count: 64), [],
        ])
    func noNote(notes: [UInt8]) throws {
        #expect(try load(TestELF.simple().with(notes: notes).file, into: ram()).format == .elf)
    }

    @Test("An entry outside of every segment is refused")
    func entry() throws {
        let error = try loadError(TestELF.simple().with(notes: pvhNote(0x20_0000)).file)
        #expect(
            "\(error)" == "the entry 0x200000 lies outside of what is loaded (0x100000..0x100002)")
    }
}
