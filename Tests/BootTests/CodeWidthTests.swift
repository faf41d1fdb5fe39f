import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite("64-bit code in 32-bit ELF files")
struct CodeWidthTests {
    private static let loadNumber: [UInt8] = [0xb9, 0x80, 0x00, 0x00, 0xc0]
    private static let (read, write): ([UInt8], [UInt8]) = ([0x0f, 0x32], [0x0f, 0x30])

    private func file(_ code: [UInt8], virtual: UInt64 = 0x10_0000, entry: UInt64 = 0x10_0000) -> [UInt8] {
        TestELF(
            is64: false, entry: entry, segments: [.init(virtual: virtual, physical: 0x10_0000, bytes: code)]
        ).file
    }

    @Test(
        "code that sets EFER.LME enters long mode, whatever instruction sets the bit",
        arguments: [
            [0x0d, 0x00, 0x01, 0x00, 0x00], [0x0d, 0x01, 0x09, 0x00, 0x00], [0x81, 0xc8, 0x00, 0x01, 0x00, 0x00],
            [0x80, 0xcc, 0x01], [0x0f, 0xba, 0xe8, 0x08], [0xb8, 0x00, 0x05, 0x00, 0x00],
        ] as [[UInt8]])
    func enters(bits: [UInt8]) {
        let nops = [UInt8](repeating: 0x90, count: 300)
        #expect(codeWidth(of: file(nops + Self.loadNumber + Self.read + bits + Self.write))?.entersLongMode == true)
        #expect(
            codeWidth(of: file(Self.loadNumber + Self.write + bits))?.entersLongMode == false,
            "written before it is set")
    }

    @Test("the value may be there before the register's number")
    func valueFirst() {
        let code = [0xb8, 0x00, 0x01, 0x00, 0x00, 0x31, 0xd2] + Self.loadNumber + Self.write
        #expect(codeWidth(of: file(code))?.entersLongMode == true)
    }

    @Test(
        "the entry is found by its virtual and by its physical address",
        arguments: [0xc010_0000, 0x10_0000] as [UInt64])
    func entry(address: UInt64) {
        let code = Self.loadNumber + Self.read + [0x0f, 0xba, 0xe8, 0x08] + Self.write
        #expect(codeWidth(of: file(code, virtual: 0xc010_0000, entry: address))?.entersLongMode == true)
    }

    @Test(
        "32-bit code that only uses EFER, for NX or SYSCALL, does not",
        arguments: [
            [0x0d, 0x00, 0x08, 0x00, 0x00], [0x0f, 0xba, 0xe8, 0x0b], [0x80, 0xcc, 0x08], [0x83, 0xc8, 0x01],
        ]
            as [[UInt8]])
    func noExecute(bits: [UInt8]) {
        #expect(codeWidth(of: file(Self.loadNumber + Self.read + bits + Self.write))?.entersLongMode == false)
    }

    @Test("another register, or none, does not")
    func others() {
        let star: [UInt8] = [0xb9, 0x81, 0x00, 0x00, 0xc0]
        #expect(codeWidth(of: file(star + Self.read + [0x80, 0xcc, 0x01] + Self.write))?.entersLongMode == false)
        #expect(codeWidth(of: file([0x90, 0xf4]))?.entersLongMode == false)
    }

    @Test("a 64-bit ELF file, and what is none, have no such question")
    func otherFiles() {
        #expect(codeWidth(of: TestELF.simple().file) == nil)
        #expect(codeWidth(of: Array("not an ELF file, but long enough to look like one or the other".utf8)) == nil)
    }

    /// The file with a section `.debug_info` that begins with `unit`.
    private func withDebugging(_ unit: [UInt8], flags: UInt32 = 0) -> [UInt8] {
        var file = file([0x90])
        let names = Array("\0.debug_info\0.shstrtab\0".utf8)
        let (unitPlace, namesPlace) = (file.count, file.count + unit.count)
        file += unit + names
        let table = file.count
        func section(name: Int, flags: UInt32, place: Int, count: Int) {
            for word in [name, 1, Int(flags), 0, place, count, 0, 0, 1, 0] {
                for i in 0..<4 { file.append(UInt8(truncatingIfNeeded: word >> (8 * i))) }
            }
        }
        section(name: 0, flags: 0, place: 0, count: 0)
        section(name: 1, flags: flags, place: unitPlace, count: unit.count)
        section(name: 13, flags: 0, place: namesPlace, count: names.count)
        file.store(table, at: 0x20, count: 4)
        for (offset, value) in [(0x2e, 40), (0x30, 3), (0x32, 2)] { file.store(value, at: offset, count: 2) }
        return file
    }

    @Test("debugging information says how long its addresses are", arguments: [4, 8] as [UInt8])
    func debugging(size: UInt8) {
        let four: [UInt8] = [0x20, 0, 0, 0, 4, 0, 0, 0, 0, 0, size]
        let five: [UInt8] = [0x20, 0, 0, 0, 5, 0, 1, size, 0, 0, 0, 0]
        for unit in [four, five] { #expect(codeWidth(of: withDebugging(unit))?.debugAddressSize == Int(size)) }
        #expect(codeWidth(of: withDebugging(five, flags: 0x800))?.debugAddressSize == nil, "it is compressed")
    }

    @Test("any file gives an answer, also one that is cut or wrong", arguments: 0..<300)
    func robust(seed: Int) {
        var random = Seeded(UInt64(seed))
        var file = withDebugging([0x20, 0, 0, 0, 5, 0, 1, 8] + Self.loadNumber + Self.write)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            file[Int.random(in: 0x18..<file.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        _ = codeWidth(of: Array(file.prefix(Int.random(in: 0...file.count, using: &random))))
        _ = codeWidth(of: file)
    }
}
