import Foundation
import Primitives
import TestSupport
import Testing

@testable import Devices

@Suite struct PlatformTests {
    private func write(_ pc: inout PCPlatform, _ value: UInt64, _ port: UInt16, size: Int = 1) -> Access {
        pc.ports.write(value, at: IOPort(port), size: size, now: epoch)
    }

    private func read(_ pc: inout PCPlatform, _ port: UInt16, size: Int = 1) -> UInt64 {
        pc.ports.read(at: IOPort(port), size: size, now: epoch).value
    }

    // MARK: The bus

    @Test("regions are sorted, apart and cover the PC's table")
    func regionsAreSortedApartAndCoverThePCsTable() {
        let regions = PCPlatform().ports.regions
        #expect(
            regions.map { Int($0.base.rawValue) } == [
                0x60, 0x64, 0x70, 0x80, 0x92, 0xe9, 0xef, 0xf4, 0x3d4, 0x3da, 0x3f8, 0x402, 0x505, 0x510, 0x514, 0x600,
                0x608,
                0xcf8, 0xcf9, 0xcfc,
            ])
        #expect(regions.first { $0.name == "COM1" }?.line == 4)
        #expect(regions.first { $0.name == "keyboard command" }?.line == 1)
        #expect(regions.first { $0.name == "ACPI PM1a" }?.line == 9)
    }

    @Test(
        "where nothing answers, reads give ones and writes are counted",
        arguments: [(1, 0xff), (2, 0xffff), (4, 0xffff_ffff), (8, UInt64.max)] as [(Int, UInt64)])
    func whereNothingAnswersReadsGiveOnesAndWritesAre(size: Int, ones: UInt64) {
        var bus = MMIOBus()
        #expect(bus.read(at: PhysicalAddress(0x1000), size: size, now: epoch) == Access(value: ones, isClaimed: false))
        #expect(bus.write(1, at: PhysicalAddress(.max), size: size, now: epoch) == Access(isClaimed: false))
        #expect(bus.inspect(at: PhysicalAddress(0), size: size, now: epoch) == nil)
        #expect(bus.unclaimed.reads == 1 && bus.unclaimed.writes == 1)
        #expect(bus.unclaimed.lastAddress == PhysicalAddress(.max))
    }

    @Test("every address belongs to the claim that holds it")
    func everyAddressBelongsToTheClaimThatHoldsIt() {
        var pc = PCPlatform()
        let claimed = Set(pc.ports.regions.flatMap { r in (0..<r.count).map { Int(r.base.rawValue) + $0 } })
        for port in 0...0xffff {
            let access = pc.ports.read(at: IOPort(UInt16(port)), size: 1, now: epoch)
            #expect(access.isClaimed == claimed.contains(port), "port \(port)")
        }
    }

    @Test("wide accesses go to byte registers lowest first")
    func wideAccessesGoToByteRegistersLowestFirst() {
        var pc = PCPlatform()
        // THR, IER, FCR and LCR in one.
        let access = write(&pc, 0x0301_0041, 0x3f8, size: 4)
        #expect(access.effect == .output(0x41))
        #expect(read(&pc, 0x3f8, size: 4) == 0x03c1_0000)
        #expect(write(&pc, 0x3228, 0x70, size: 2) == Access())
        _ = write(&pc, 0x28, 0x70)
        #expect(read(&pc, 0x71) == 0x32)
    }

    @Test("bytes beyond a claim read as ones")
    func bytesBeyondAClaimReadAsOnes() {
        var pc = PCPlatform()
        _ = write(&pc, 0x0d, 0x70)
        #expect(read(&pc, 0x71, size: 4) == 0xffff_ff80)
        #expect(pc.ports.inspect(at: IOPort(0x71), size: 4, now: epoch) == 0xffff_ff80)
        #expect(read(&pc, 0xffff, size: 4) == 0xffff_ffff)
    }

    @Test("a PCI address written at 0xcf8 does not reset the machine")
    func aPCIAddressWrittenAt0xcf8DoesNotResetThe() {
        var pc = PCPlatform()
        #expect(write(&pc, 0x8000_0604, 0xcf8, size: 4) == Access())
        #expect(read(&pc, 0xcf8, size: 4) == 0x8000_0604)
        #expect(read(&pc, 0xcf9) == 0)
    }

    @Test("PCI configuration space answers with ones, whatever is asked, and keeps the address")
    func pciAnswersEmpty() {
        var pc = PCPlatform()
        _ = write(&pc, 0xffff_ffff, 0xcf8, size: 4)
        #expect(read(&pc, 0xcf8, size: 4) == 0x80ff_fffc)
        // Bytes of the address register are none: Linux's probe writes one.
        _ = write(&pc, 0x01, 0xcfb)
        _ = write(&pc, 0x80, 0xcf8)
        #expect(read(&pc, 0xcf8, size: 4) == 0x80ff_fffc)
        for (port, size, ones) in [(0xcfc, 4, 0xffff_ffff), (0xcfe, 2, 0xffff), (0xcff, 1, 0xff)]
            as [(UInt16, Int, UInt64)]
        {
            _ = write(&pc, 0, port, size: size)
            #expect(read(&pc, port, size: size) == ones)
        }
    }

    @Test("every device of the board's table answers at its ports, with its line")
    func everyDeviceOfTheTableAnswers() {
        let regions = PCPlatform().ports.regions
        let rows = PCBoard.devices.flatMap { device in device.ports.map { ($0, device.line) } }
        #expect(regions.count == rows.count)
        for (ports, line) in rows {
            let region = regions.first { $0.base.rawValue == ports.first }
            #expect(region?.name == ports.name && region?.count == ports.count && region?.line == line)
        }
    }

    @Test("the README lists the board's ports as the table has them")
    func theREADMEListsTheBoardsPorts() throws {
        var folder = URL(fileURLWithPath: #filePath)
        while !FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) {
            folder.deleteLastPathComponent()
        }
        let readme = try String(contentsOf: folder.appendingPathComponent("README.md"), encoding: .utf8)
        for device in PCBoard.devices {
            let runs = device.ports.map { ports in
                let last = ports.first + UInt16(ports.count) - 1
                return [ports.first, last].prefix(min(ports.count, 2)).map { hexadecimal($0) }.joined(separator: " to ")
            }
            for run in runs { #expect(readme.contains("\(run) |") || readme.contains("\(run), "), "\(run)") }
            guard let line = device.line else { continue }
            #expect(readme.contains("| \(runs.joined(separator: ", ")) | \(line) |"), "\(runs)")
        }
    }

    @Test("a 16550 answers on the memory bus with 64-bit accesses too")
    func a16550AnswersOnTheMemoryBusWith64BitAccesses() {
        var bus = MMIOBus()
        bus.attach(
            .uart(UART16550(interruptNeedsOUT2: false)), line: 33, at: [("uart", PhysicalAddress(0x0900_0000), 8, 0)]
        )
        #expect(bus.inspect(at: PhysicalAddress(0x0900_0000), size: 8, now: epoch) == 0x00b0_6000_0001_0000)
        #expect(
            bus.write(0x02, at: PhysicalAddress(0x0900_0001), size: 1, now: epoch)
                == Access(line: LineChange(line: 33, action: .raise))
        )
        #expect(
            bus.write(0x41, at: PhysicalAddress(0x0900_0000), size: 1, now: epoch)
                == Access(effect: .output(0x41), line: LineChange(line: 33, action: .pulseLow))
        )
        #expect(
            bus.read(at: PhysicalAddress(0x0900_0002), size: 1, now: epoch)
                == Access(value: 0x02, line: LineChange(line: 33, action: .lower))
        )
    }

    @Test("input raises COM1's line and reading it lowers it")
    func inputRaisesCOM1sLineAndReadingItLowersIt() {
        var pc = PCPlatform()
        _ = write(&pc, 0x0b, 0x3fc)
        _ = write(&pc, 0x01, 0x3f9)
        #expect(pc.ports.room(in: pc.console) == 1)
        let received = pc.ports.receive(65, in: pc.console)
        #expect(received.accepted)
        #expect(received.line == LineChange(line: 4, action: .raise))
        #expect(pc.ports.room(in: pc.console) == 0)
        let access = pc.ports.read(at: IOPort(0x3f8), size: 1, now: epoch)
        #expect(access == Access(value: 65, line: LineChange(line: 4, action: .lower), madeRoom: true))
        #expect(pc.ports.signal(.serialBreak, to: pc.console)?.action == .raise)
        #expect(pc.ports.room(in: pc.power) == 0)
        #expect(!pc.ports.receive(1, in: pc.power).accepted)
    }

    @Test("inspection changes nothing")
    func inspectionChangesNothing() {
        var pc = PCPlatform()
        _ = write(&pc, 0x0b, 0x3fc)
        _ = write(&pc, 0x03, 0x3f9)
        _ = write(&pc, 0xaa, 0x64)
        _ = pc.ports.receive(65, in: pc.console)
        let before = pc
        for port in UInt16.min...UInt16.max { _ = pc.ports.inspect(at: IOPort(port), size: 4, now: epoch) }
        #expect(pc == before)
    }

    @Test("reset brings back the power-on state")
    func resetBringsBackThePowerOnState() {
        var pc = PCPlatform(memoryBelow4GiB: 1 << 28)
        let fresh = pc
        _ = write(&pc, 0x0b, 0x3fc)
        _ = write(&pc, 0x02, 0x3f9)
        _ = write(&pc, 0xaa, 0x64)
        _ = write(&pc, 0x100, 0x602, size: 2)
        _ = write(&pc, 0x7, 0x80)
        _ = read(&pc, 0x1234)
        pc.reset()
        #expect(pc == fresh)
    }

    // MARK: Small devices

    @Test("the debug console prints and shows its sign")
    func theDebugConsolePrintsAndShowsItsSign() {
        var pc = PCPlatform()
        #expect(write(&pc, 0x21, 0xe9).effect == .output(0x21))
        #expect(read(&pc, 0xe9) == 0xe9)
    }

    @Test(
        "debug exit doubles the value and adds one",
        arguments: [(0, 1, 1), (0, 4, 1), (1, 1, 3), (0x10, 2, 0x21), (0x7f, 4, 0xff), (0x80, 4, 0x01)]
            as [(UInt64, Int, UInt8)])
    func debugExitDoublesTheValueAndAddsOne(value: UInt64, size: Int, status: UInt8) {
        var pc = PCPlatform()
        #expect(write(&pc, value, 0xf4, size: size).effect == .exit(status: status))
        #expect(read(&pc, 0xf4, size: size) == 0)
    }

    @Test("port 0x92 resets when bit 0 goes up, and A20 stays on")
    func port0x92ResetsWhenBit0GoesUpAndA20StaysOn() {
        var pc = PCPlatform()
        #expect(read(&pc, 0x92) == 0x02)
        #expect(write(&pc, 0x00, 0x92).effect == nil)
        #expect(read(&pc, 0x92) == 0x02)
        #expect(write(&pc, 0x03, 0x92).effect == .reset)
        #expect(write(&pc, 0x03, 0x92).effect == nil)
    }

    @Test("port 0xcf9 resets when bit 2 goes up")
    func port0xcf9ResetsWhenBit2GoesUp() {
        var pc = PCPlatform()
        #expect(write(&pc, 0x02, 0xcf9).effect == nil)
        #expect(read(&pc, 0xcf9) == 0x02)
        #expect(write(&pc, 0x06, 0xcf9).effect == .reset)
    }

    @Test(
        "SLP_EN switches the machine off", arguments: [(0x2000, 2), (0x3401, 2), (0xffff_3c01, 4)] as [(UInt64, Int)])
    func slpenSwitchesTheMachineOff(value: UInt64, size: Int) {
        var pc = PCPlatform()
        #expect(write(&pc, value, 0x604, size: size).effect == .powerOff)
        #expect(read(&pc, 0x604, size: 2) == (value & 0x1c00) | 1)
    }

    @Test("SLP_EN counts in a byte of its own too, and alone")
    func slpenCountsInAByteOfItsOwnTooAndAlone() {
        var pc = PCPlatform()
        #expect(write(&pc, 0x1c00, 0x604, size: 2).effect == nil)
        #expect(write(&pc, 0x20, 0x605).effect == .powerOff)
    }

    @Test("the power button raises the SCI until its status is cleared")
    func thePowerButtonRaisesTheSCIUntilItsStatusIs() {
        var pc = PCPlatform()
        #expect(write(&pc, 0xffff, 0x602, size: 2).line == nil)
        #expect(read(&pc, 0x600, size: 4) == 0x0721_0000)
        #expect(pc.ports.signal(.powerButton, to: pc.power) == LineChange(line: 9, action: .raise))
        #expect(read(&pc, 0x600, size: 4) == 0x0721_0100)
        #expect(write(&pc, 0x0000, 0x600, size: 2).line == nil)
        #expect(write(&pc, 0x0100, 0x600, size: 2).line == LineChange(line: 9, action: .lower))
        #expect(pc.ports.signal(.powerButton, to: pc.console) == nil)
    }

    @Test("the last POST code can be read back")
    func theLastPOSTCodeCanBeReadBack() {
        var pc = PCPlatform()
        _ = write(&pc, 0x55, 0x80)
        #expect(read(&pc, 0x80) == 0x55)
    }

    @Test("firmware finds the debug console at 0x402 too")
    func firmwareFindsTheDebugConsoleAt0x402() {
        var pc = PCPlatform()
        #expect(read(&pc, 0x402) == 0xe9)
        #expect(write(&pc, 0x21, 0x402).effect == .output(0x21))
    }

    @Test("a panic is reported, a crash kernel's start is not")
    func aPanicIsReported() {
        var pc = PCPlatform()
        #expect(read(&pc, 0x505) == 1)
        #expect(write(&pc, 1, 0x505).effect == .panic)
        #expect(write(&pc, 2, 0x505).effect == nil)
    }

    @Test("the PM timer counts 3,579,545 ticks a second of model time, in 32 bits")
    func thePMTimerCounts() {
        var pc = PCPlatform()
        func timer(_ nanoseconds: UInt64) -> UInt64 {
            pc.ports.read(at: IOPort(0x608), size: 4, now: WallTime(0, uptime: nanoseconds)).value
        }
        #expect(timer(0) == 0)
        #expect(timer(1_000_000_000) == 3_579_545)
        #expect(timer(500_000_000) == 1_789_772)
        #expect(timer(1200 * 1_000_000_000) == 4_295_454_000 - 1 << 32)
        #expect(timer(.max) <= 0xffff_ffff)
        #expect(write(&pc, 0xffff_ffff, 0x608, size: 4).effect == nil)
    }

    @Test("the cursor's place reads back, and a wait for either half of the display's cycle ends")
    func theCursorReadsBack() {
        var pc = PCPlatform()
        for (index, value) in [(0x0e, 0x07), (0x0f, 0xcf), (0x0c, 0x01)] as [(UInt64, UInt64)] {
            _ = write(&pc, value << 8 | index, 0x3d4, size: 2)
            _ = write(&pc, index, 0x3d4)
            #expect(read(&pc, 0x3d5) == value)
        }
        #expect(pc.screen.cursor == 0x07cf && pc.screen.start == 0x100)
        _ = write(&pc, 0x3f, 0x3d4)
        _ = write(&pc, 0xff, 0x3d5)
        #expect(read(&pc, 0x3d5) == 0)
        let states = (0..<2).map { _ in read(&pc, 0x3da) & 8 }
        #expect(Set(states) == [0, 8])
    }

    @Test("fw_cfg has its signature, the number of processors and a directory of files")
    func firmwareConfiguration() {
        let files = [("etc/one", [1, 2, 3] as [UInt8]), (String(repeating: "x", count: 80), [])]
        var pc = PCPlatform(
            firmware: FirmwareConfiguration(processorCount: 3, memorySize: 1 << 32, files: files))
        func item(_ key: UInt64, _ count: Int) -> [UInt8] {
            _ = write(&pc, key, 0x510, size: 2)
            return (0..<count).map { _ in UInt8(read(&pc, 0x511)) }
        }
        #expect(item(0, 6) == Array("QEMU".utf8) + [0, 0])
        #expect(item(5, 2) == [3, 0] && item(0xf, 2) == [3, 0] && item(1, 4) == [3, 0, 0, 0])
        #expect(item(3, 8) == [0, 0, 0, 0, 1, 0, 0, 0])
        let directory = item(0x19, 4 + 2 * 64)
        #expect(directory[..<12] == [0, 0, 0, 2, 0, 0, 0, 3, 0, 0x20, 0, 0])
        #expect(String(decoding: directory[12..<19], as: UTF8.self) == "etc/one" && directory[19] == 0)
        #expect(directory[131] == 0)
        #expect(item(0x20, 4) == [1, 2, 3, 0])
        #expect(item(0x4000, 2) == [0, 0])
        // A selector is 16 bits wide; a byte of it is none.
        _ = write(&pc, 0, 0x510)
        #expect(read(&pc, 0x511) == 0)
    }

    // MARK: Everything

    @Test("any sequence of accesses is survived, and lines alternate")
    func anySequenceOfAccessesIsSurvivedAndLines() {
        var random = Seeded(0x3f8)
        var pc = PCPlatform(memoryBelow4GiB: 1 << 30)
        var levels: [UInt32: Bool] = [:]
        let near = pc.ports.regions.flatMap { r in
            (-2..<r.count + 2).map { IOPort(r.base.rawValue &+ UInt16(truncatingIfNeeded: $0)) }
        }
        for _ in 0..<100_000 {
            let port = near.randomElement(using: &random)!
            let size = [1, 2, 4].randomElement(using: &random)!
            let now = WallTime(Int64.random(in: 0..<4_000_000_000, using: &random))
            var line: LineChange?
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1: line = pc.ports.write(random.next(), at: port, size: size, now: now).line
            case 2, 3:
                let seen = pc.ports.inspect(at: port, size: size, now: now)
                let access = pc.ports.read(at: port, size: size, now: now)
                #expect(access.isClaimed == (seen != nil))
                #expect(access.value <= .mask(8 * size))
                if let seen, size == 1 { #expect(access.value == seen) }
                line = access.line
            default: line = pc.ports.receive(UInt8.random(in: 0...255, using: &random), in: pc.console).line
            }
            guard let line else { continue }
            #expect(levels[line.line, default: false] == (line.action != .raise))
            levels[line.line] = line.action != .lower
        }
    }
}
