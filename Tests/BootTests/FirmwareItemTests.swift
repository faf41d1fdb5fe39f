import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct FirmwareItemTests {
    private func items(_ machine: PCMachine = PCMachine(processorCount: 2, virtioCount: 1)) -> FirmwareItems {
        FirmwareItems(machine)
    }

    /// Does what the loader script says, the files lying where `places` has them.
    private func run(_ items: FirmwareItems, at places: [String: UInt64]) throws -> [String: [UInt8]] {
        var files = Dictionary(uniqueKeysWithValues: items.files.map { ($0.name, $0.bytes) })
        let script = try #require(files["etc/table-loader"])
        #expect(script.count % 128 == 0)
        var allocated: Set<String> = []
        func name(_ at: Int) -> String { String(decoding: script[at..<at + 56].prefix { $0 != 0 }, as: UTF8.self) }
        for start in stride(from: 0, to: script.count, by: 128) {
            let file = name(start + 4)
            func word(_ at: Int) -> Int { script.number(at: start + at, count: 4) }
            switch word(0) {
            case 1:
                #expect(files[file] != nil && places[file]! % UInt64(word(60)) == 0)
                allocated.insert(file)
            case 2:
                let (other, offset, size) = (name(start + 60), word(116), Int(script[start + 120]))
                #expect(allocated.isSuperset(of: [file, other]))
                let value: UInt64 = files[file]!.number(at: offset, count: size)
                #expect(value < UInt64(files[other]!.count))
                files[file]!.store(value + places[other]!, at: offset, count: size)
            case 3:
                let (offset, first, count) = (word(60), word(64), word(68))
                files[file]![offset] &-= files[file]![first..<first + count].reduce(0, &+)
            default: Issue.record("command \(word(0))")
            }
        }
        return files
    }

    @Test("the loader script puts the ACPI tables anywhere, each with a right checksum")
    func tables() throws {
        let place: UInt64 = 0x0ffe_0040
        let files = try run(items(), at: ["etc/acpi/tables": place, "etc/acpi/rsdp": 0xf_5a20])
        let root = try #require(files["etc/acpi/rsdp"])
        let blob = try #require(files["etc/acpi/tables"])
        #expect(root.starts(with: Array("RSD PTR ".utf8)) && root.count == 36)
        #expect(root[..<20].reduce(0, &+) == 0 && root.reduce(0, &+) == 0)
        func table(_ address: UInt64) -> [UInt8] {
            let offset = Int(address - place)
            return Array(blob[offset..<offset + blob.number(at: offset + 4, count: 4)])
        }
        let (rsdt, xsdt) = (table(root.number(at: 16, count: 4)), table(root.number(at: 24, count: 8)))
        var found = [rsdt, xsdt]
        for offset in stride(from: 36, to: xsdt.count, by: 8) { found.append(table(xsdt.number(at: offset, count: 8))) }
        #expect((rsdt.number(at: 36, count: 4) as UInt64) == xsdt.number(at: 36, count: 8))
        let fixed = try #require(found.first { $0.starts(with: Array("FACP".utf8)) })
        found.append(table(fixed.number(at: 140, count: 8)))
        #expect(fixed.number(at: 40, count: 4) as UInt64 == fixed.number(at: 140, count: 8))
        #expect((fixed.number(at: 132, count: 8) as UInt64) % 64 == place % 64)
        #expect(found.map { String(decoding: $0[..<4], as: UTF8.self) } == ["RSDT", "XSDT", "FACP", "APIC", "DSDT"])
        for table in found { #expect(table.reduce(0, &+) == 0) }
    }

    @Test("a machine without APICs has no tables for firmware")
    func noTables() {
        #expect(items(PCMachine(hasAPICs: false)).files.isEmpty && FirmwareItems().items.isEmpty)
    }

    private let rom = [UInt8](repeating: 0x90, count: 0x1_0000)

    private func boot(_ kernel: [UInt8], _ options: LoadOptions = LoadOptions()) throws -> FirmwareItems {
        var options = options
        options.format = .firmware
        options.payload = kernel
        let memory = try MachineMemory(size: 64 << 20, firmwareSize: UInt64(rom.count))
        return try load(rom, options: options, into: memory).firmwareItems
    }

    @Test("firmware finds the pieces of a kernel, where they go, and a ROM that asks for them")
    func kernel() throws {
        let image = TestLinux(flags64: 0, code32: [0xf4], code64: [0xf4])
        let initrd = [UInt8](repeating: 7, count: 5000)
        let found = try boot(image.file, LoadOptions(commandLine: "a=b c", initrd: initrd))
        func number(_ key: UInt16) -> UInt64 { found.items[key]!.number(at: 0, count: 4) }
        let setup = try #require(found.items[0x18]), code = try #require(found.items[0x11])
        #expect(setup.count == (Int(image.file[0x1f1]) + 1) * 512 && number(0x17) == UInt64(setup.count))
        #expect(number(0x07) == 0x10_0000 && number(0x16) == 0x1_0000 && number(0x08) == UInt64(code.count))
        #expect(code == Array(image.file[setup.count..<setup.count + code.count]))
        #expect(found.items[0x15] == Array("a=b c\0".utf8) && number(0x13) == setup.number(at: 0x228, count: 4))
        #expect(found.items[0x12] == initrd && number(0x0a) == setup.number(at: 0x218, count: 4))
        #expect(setup.number(at: 0x21c, count: 4) == 5000 as UInt64 && number(0x0a) % 4096 == 0)
        #expect(number(0x0a) + 5000 <= 63 << 20 && setup[0x211] & 0x80 != 0 && setup[0x210] != 0)
        let files = Dictionary(uniqueKeysWithValues: found.files.map { ($0.name, $0.bytes) })
        let rom = try #require(files["genroms/kernel.bin"])
        #expect(rom.count == 512 && rom.starts(with: [0x55, 0xaa, 1]) && rom.reduce(0, &+) == 0)
        let header: Int = rom.number(at: 0x1a, count: 2)
        #expect(Array(rom[header..<header + 4]) == Array("$PnP".utf8) && rom[header..<header + 32].reduce(0, &+) == 0)
        #expect(files["bootorder"] == Array("/rom@genroms/kernel.bin\0".utf8))
        // Control, length and address of the kernel's request.
        #expect(rom[0xc0..<0xc4] == [0, 0x11, 0, 0xa] && rom[0xc8..<0xd0] == [0, 0, 0, 0, 0, 0x10, 0, 0])
    }

    @Test("what firmware cannot boot is refused")
    func refused() throws {
        #expect(throws: BootError.self) { try boot([1, 2, 3]) }
        let image = TestLinux(flags64: 0, code32: [0xf4], code64: [0xf4]).file
        #expect(throws: BootError.self) {
            try boot(image, LoadOptions(commandLine: String(repeating: "x", count: 4096)))
        }
        #expect(throws: BootError.self) { try boot(image, LoadOptions(initrd: [UInt8](repeating: 0, count: 64 << 20))) }
        var options = LoadOptions(format: .firmware, commandLine: "a")
        options.payload = nil
        let memory = try MachineMemory(size: 64 << 20, firmwareSize: UInt64(rom.count))
        #expect(throws: BootError.self) { try load(rom, options: options, into: memory) }
    }
}
