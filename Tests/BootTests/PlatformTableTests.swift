import Foundation
import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct PlatformTableTests {
    /// An ELF image on a machine with tables.
    private func boot(
        _ machine: PCMachine = PCMachine(processorCount: 3), _ file: [UInt8] = TestELF.simple().file,
        _ options: LoadOptions = LoadOptions()
    ) throws -> (image: BootImage, memory: LoadedMemory) {
        var options = options
        options.machine = machine
        let image = try load(file, options: options, into: ram())
        expectSound(image, in: try ram())
        return (image, LoadedMemory(image))
    }

    /// The tables by signature, found from the root pointer at `root` by both lists, each with a right checksum.
    private func tables(_ memory: LoadedMemory, root: UInt64 = 0xF_0000) -> [String: [UInt8]] {
        func bytes(_ address: UInt64) -> [UInt8] {
            memory.bytes(address, count: Int(memory.number(address + 4, count: 4)))
        }
        func sum(_ bytes: [UInt8]) -> UInt8 { bytes.reduce(0, &+) }
        let pointer = memory.bytes(root, count: 36)
        #expect(String(decoding: pointer[0..<8], as: UTF8.self) == "RSD PTR ")
        #expect(sum(Array(pointer[..<20])) == 0 && sum(pointer) == 0)
        let rsdt = bytes(pointer.number(at: 16, count: 4))
        let xsdt = bytes(pointer.number(at: 24, count: 8))
        let short: [UInt64] = stride(from: 36, to: rsdt.count, by: 4).map { rsdt.number(at: $0, count: 4) }
        let long: [UInt64] = stride(from: 36, to: xsdt.count, by: 8).map { xsdt.number(at: $0, count: 8) }
        #expect(short == long)
        var found = [rsdt, xsdt] + long.map(bytes)
        if let fixed = found.first(where: { $0.starts(with: Array("FACP".utf8)) }) {
            #expect(fixed.number(at: 40, count: 4) as UInt64 == fixed.number(at: 140, count: 8))
            #expect(fixed.number(at: 36, count: 4) as UInt64 == fixed.number(at: 132, count: 8))
            found.append(bytes(fixed.number(at: 140, count: 8)))
            let control = bytes(fixed.number(at: 132, count: 8))
            #expect(control.starts(with: Array("FACS".utf8)) && control.count == 64)
        }
        for table in found { #expect(sum(table) == 0, "\(String(decoding: table[..<4], as: UTF8.self))") }
        return Dictionary(
            uniqueKeysWithValues: found.map { (String(decoding: $0[..<4], as: UTF8.self), $0) })
    }

    @Test("The root pointer leads to all tables, and each adds up to zero", arguments: [1, 2, 64])
    func checksums(processors: Int) throws {
        let (_, memory) = try boot(PCMachine(processorCount: processors))
        #expect(Set(tables(memory).keys) == ["RSDT", "XSDT", "FACP", "APIC", "DSDT"])
    }

    @Test("PVH and Linux kernels are given the root pointer")
    func rootPointer() throws {
        let pvh = try boot(PCMachine(), TestELF.simple().with(notes: pvhNote(0x10_0000)).file)
        #expect(pvh.memory.number(pvh.image.start.rbx + 32, count: 8) == 0xF_0000)
        let linux = try boot(PCMachine(), TestLinux().file)
        #expect(linux.memory.number(linux.image.start.rsi + 0x70, count: 8) == 0xF_0000)
    }

    @Test("The FADT names the registers that the board has")
    func fixed() throws {
        let table = try #require(tables(try boot().memory)["FACP"])
        func field(_ offset: Int, _ count: Int) -> UInt64 { table.number(at: offset, count: count) }
        #expect(table.count == 244)
        #expect(field(46, 2) == 9 && field(48, 4) == 0)
        #expect(field(56, 4) == 0x600 && field(88, 1) == 4)
        #expect(field(64, 4) == 0x604 && field(89, 1) == 2)
        #expect(field(76, 4) == 0x608 && field(91, 1) == 4)
        #expect(field(112, 4) == 0x565)
        #expect(field(116, 4) == 0x0100_0801 && field(120, 8) == 0xCF9 && field(128, 1) == 6)
        #expect([(148, 0x600), (172, 0x604), (208, 0x608)].allSatisfy { field($0.0 + 4, 8) == $0.1 })
    }

    @Test("The MADT has the processors, the I/O APIC and the interrupts that do not lead to their own pin")
    func interrupts() throws {
        let table = try #require(tables(try boot().memory)["APIC"])
        #expect(table.number(at: 36, count: 4) == 0xFEE0_0000 as UInt64)
        var entries: [[UInt8]] = []
        var offset = 44
        while offset < table.count {
            entries.append(Array(table[offset..<offset + Int(table[offset + 1])]))
            offset += Int(table[offset + 1])
        }
        #expect(
            entries == [
                [0, 8, 0, 0, 1, 0, 0, 0], [0, 8, 1, 1, 1, 0, 0, 0], [0, 8, 2, 2, 1, 0, 0, 0],
                [1, 12, 0, 0, 0, 0, 0xC0, 0xFE, 0, 0, 0, 0], [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
                [2, 10, 0, 9, 9, 0, 0, 0, 13, 0], [4, 6, 255, 0, 0, 1],
            ])
    }

    @Test("Virtio devices have level-triggered interrupts in MADT and MP table, as many as there are")
    func virtioInterrupts() throws {
        let (_, memory) = try boot(PCMachine(virtioCount: 2))
        let madt = try #require(tables(memory)["APIC"])
        for (line, isLevel) in [(5, true), (10, true), (11, false)] as [(UInt8, Bool)] {
            let entry: [UInt8] = [2, 10, 0, line, line, 0, 0, 0, 13, 0]
            #expect(madt.indices.contains { madt[$0...].starts(with: entry) } == isLevel, "\(line)")
            let area = memory.bytes(0xF_0000, count: 0x1_0000)
            let interrupt: [UInt8] = [3, 0, isLevel ? 13 : 0, 0, 0, line, 0, line]
            #expect(area.indices.contains { area[$0...].starts(with: interrupt) }, "\(line)")
        }
    }

    @Test("Linux is told of virtio devices on its command line where it may not look at the ACPI tables")
    func virtioParameters() throws {
        for (given, expected) in [
            ("quiet", "quiet"),
            (
                "acpi=off quiet",
                "acpi=off quiet virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=512@0xfeb00200:10"
            ),
        ] {
            let pvh = TestELF.simple().with(notes: pvhNote(0x10_0000)).file
            let (image, memory) = try boot(PCMachine(virtioCount: 2), pvh, LoadOptions(commandLine: given))
            let place = memory.number(image.start.rbx + 24, count: 8)
            #expect(memory.bytes(place, count: expected.utf8.count + 1) == Array(expected.utf8) + [0])
        }
    }

    @Test("The MP table is found by its signature and has every processor and ISA interrupt")
    func multiprocessor() throws {
        let (_, memory) = try boot()
        let area = memory.bytes(0xF_0000, count: 0x1_0000)
        let at = try #require(
            stride(from: 0, to: area.count, by: 16).first { area[$0...].starts(with: Array("_MP_".utf8)) })
        #expect(area[at..<at + 16].reduce(0, &+) == 0)
        let start: Int = area.number(at: at + 4, count: 4) - 0xF_0000
        let table = Array(area[start..<start + area.number(at: start + 4, count: 2)])
        #expect(table.starts(with: Array("PCMP".utf8)) && table.reduce(0, &+) == 0)
        var kinds: [UInt8] = []
        var offset = 44
        while offset < table.count {
            kinds.append(table[offset])
            offset += table[offset] == 0 ? 20 : 8
        }
        #expect(offset == table.count && kinds.count == table.number(at: 34, count: 2))
        #expect(kinds == [0, 0, 0, 1, 2] + [UInt8](repeating: 3, count: 15) + [4, 4])
    }

    @Test("The BIOS data area has the serial port, the memory below it and the text screen")
    func dataArea() throws {
        let (_, memory) = try boot()
        #expect(memory.number(0x400, count: 2) == 0x3F8)
        #expect(memory.number(0x40E, count: 2) == 0x9FC0 && memory.number(0x413, count: 2) == 639)
        #expect(memory.number(0x44A, count: 2) == 80 && memory.number(0x463, count: 2) == 0x3D4)
        #expect(memory.byte(0x9_FC00) == 1)
    }

    @Test("All that is placed for the kernel to find lies in what its memory map has as reserved, or below 0x500")
    func reserved() throws {
        let (image, _) = try boot(PCMachine(processorCount: 64))
        let map = try ram().map.filter { $0.kind == .reserved }
        for placement in image.placements where placement.address.rawValue < 0x10_0000 {
            let isReserved = map.contains { $0.range.lowerBound <= placement.address }
            #expect(isReserved || placement.range.upperBound.rawValue <= 0x9_F000)
        }
    }

    @Test("Where the image itself lies there are no tables, and no root pointer is given")
    func overlap() throws {
        let elf = TestELF(
            entry: 0xF_0100, segments: [.init(virtual: 0xF_0100, physical: 0xF_0100), .init(virtual: 0, physical: 0)])
        let (image, memory) = try boot(PCMachine(), elf.with(notes: pvhNote(0xF_0100)).file)
        #expect(memory.number(image.start.rbx + 32, count: 8) == 0)
        #expect(memory.byte(0xF_0000) == 0)
    }

    @Test("A machine without APICs has a BIOS data area alone")
    func withoutAPICs() throws {
        let (_, memory) = try boot(PCMachine(hasAPICs: false))
        #expect(memory.bytes(0xF_0000, count: 8) == [UInt8](repeating: 0, count: 8))
        #expect(memory.number(0x413, count: 2) == 639)
    }

    @Test("In real mode every interrupt leads to the stub of BIOS calls, by its own segment")
    func biosStubs() throws {
        let (_, memory) = try boot(PCMachine(), [0xF4], LoadOptions(format: .flat))
        for number in 0..<256 as Range<UInt64> {
            let (offset, segment) = (memory.number(number * 4, count: 2), memory.number(number * 4 + 2, count: 2))
            #expect(segment == 0xF000 + number && segment << 4 + offset == 0xF_FE00)
        }
        #expect(memory.bytes(0xF_FE00, count: 3) == [0xE6, 0xEF, 0xCF])
    }

    @Test("iasl disassembles every table without a complaint", .enabled(if: hasIASL, "acpica-tools is not installed"))
    func disassembled() throws {
        let (_, memory) = try boot(PCMachine(processorCount: 3, virtioCount: 8))
        let folder = NSTemporaryDirectory() + "stubvisor-acpi-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (signature, bytes) in tables(memory) {
            let file = "\(folder)/\(signature).aml"
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            let (status, output) = try run(["iasl", "-d", file])
            let words = output.lowercased()
            #expect(status == 0 && !words.contains("error") && !words.contains("warning"), "\(output)")
            let text = try String(contentsOfFile: "\(folder)/\(signature).dsl", encoding: .utf8)
            #expect(!text.contains("Error") && !text.contains("Warning") && !text.contains("incorrect"), "\(text)")
            if signature == "DSDT" {
                for word in ["PNP0501", "PNP0B00", "PNP0303", "QEMU0001", "0x03F8", "_S5_", "LNRO0005", "0xFEB00E00"] {
                    #expect(text.contains(word), "\(word) in \(text)")
                }
            }
        }
    }

    private func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }
}

private let hasIASL = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].contains {
    FileManager.default.isExecutableFile(atPath: $0 + "/iasl")
}
