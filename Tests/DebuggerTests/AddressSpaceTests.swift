import Architecture
import Primitives
import Testing

@testable import Debugger

/// `monitor info mem`, `info tlb` and `gva2gpa` over real page tables.
@Suite("Address spaces")
struct AddressSpaceTests {
    private static let noExecute: UInt64 = 1 << 63

    /// Long mode with the PML4 at 0x1000, and directories below it at 0x2000, 0x3000 and a table at 0x4000.
    private func client(_ entries: [(place: Int, value: UInt64)]) -> Conversation {
        let target = SimulatedTarget()
        target.walksTables = true
        for (place, value) in entries { target.ram.bytes.store(value, at: place, count: 8) }
        target.set("cr4", 0x20)
        target.set("cr3", 0x1000)
        target.set("efer", 0xd00)
        return Conversation(target)
    }

    /// Two large pages in a row with a hole behind them; three small ones, of which the last is elsewhere; one in the
    /// upper half.
    private func example() -> Conversation {
        client([
            (0x1000, 0x2007), (0x2000, 0x3007), (0x3000, 0xe3), (0x3008, 0x20_00e3), (0x3018, 0x4007),
            (0x4000, 0x5001 | Self.noExecute), (0x4008, 0x6001 | Self.noExecute),
            (0x4010, 0x5001 | Self.noExecute), (0x4018, 0x6167), (0x1ff8, 0x2003),
        ])
    }

    @Test("info tlb joins pages that follow each other in both spaces and are alike")
    func pages() {
        let lines = example().monitor("info tlb").split(separator: "\n")
        #expect(
            lines.prefix(4) == [
                "0x0000000000000000-0x00000000003fffff -> 0x000000000000 -rwx -ad 2 x 2 MiB",
                "0x0000000000600000-0x0000000000601fff -> 0x000000005000 -r-- --- 2 x 4 KiB",
                "0x0000000000602000-0x0000000000602fff -> 0x000000005000 -r-- --- 1 x 4 KiB",
                "0x0000000000603000-0x0000000000603fff -> 0x000000006000 urwx gad 1 x 4 KiB",
            ])
        // The upper half shows the same directories, for the kernel alone.
        #expect(lines.count == 8)
        #expect(lines[7].hasPrefix("0xffffff8000603000-") && lines[7].contains(" -rwx gad "))
    }

    @Test("info mem prints what QEMU does: the end excluded, ranges of the same rights joined wherever they lead")
    func regions() {
        let lines = example().monitor("info mem").split(separator: "\n")
        #expect(
            lines.prefix(3) == [
                "0000000000000000-0000000000400000 0000000000400000 -rw",
                "0000000000600000-0000000000603000 0000000000003000 -r-",
                "0000000000603000-0000000000604000 0000000000001000 urw",
            ])
        // Its second half's last two regions differ in the user's right no more.
        #expect(lines.count == 6)
    }

    @Test("end minus start is the size in each line of info mem, also at the end of all addresses")
    func lastRange() {
        // The last entry of each level is the table itself, writable: pages up to the last one, and holes before them.
        let client = client([(0x1ff8, 0x1003)])
        let lines = client.monitor("info mem").split(separator: "\n")
        #expect(lines == ["fffffffffffff000-10000000000000000 0000000000001000 -rw"])
    }

    @Test("info mem does not part a range where only the right to execute changes")
    func executable() {
        let client = client([
            (0x1000, 0x2003), (0x2000, 0x3003), (0x3000, 0x4003), (0x4000, 0x5003),
            (0x4008, 0x6003 | Self.noExecute), (0x4010, 0x7003),
        ])
        #expect(client.monitor("info mem") == "0000000000000000-0000000000003000 0000000000003000 -rw\n")
    }

    @Test("without long mode addresses end at 4 GiB")
    func narrow() {
        // 32-bit paging with one directory at 0x1000 that maps the last 4 MiB, and the first.
        let client = client([(0x1000, 0x83), (0x1ff8, 0x83 << 32)])
        for (name, value) in [("efer", 0), ("cr4", 0x10)] as [(String, UInt64)] { client.target.set(name, value) }
        #expect(
            client.monitor("info tlb").split(separator: "\n") == [
                "0x0000000000000000-0x00000000003fffff -> 0x000000000000 -rwx --- 1 x 4 MiB",
                "0x00000000ffc00000-0x00000000ffffffff -> 0x000000000000 -rwx --- 1 x 4 MiB",
            ])
        #expect(
            client.monitor("info mem").split(separator: "\n") == [
                "0000000000000000-0000000000400000 0000000000400000 -rw",
                "00000000ffc00000-0000000100000000 0000000000400000 -rw",
            ])
        client.target.set("cr0", 0x11)
        for command in ["info tlb", "info mem"] { #expect(client.monitor(command) == "PG disabled\n") }
        #expect(client.monitor("gva2gpa 0x1234").contains("0x1234 -> 0x1234, paging is off"))
    }

    /// LLDB looks for addresses that nobody uses, region by region, before it evaluates an expression.
    @Test("while paging is off a region is a range of memory, or all that lies between two", arguments: [false, true])
    func unpaged(isArm: Bool) {
        let target = isArm ? SimulatedTarget.arm64() : SimulatedTarget()
        if !isArm {
            target.set("cr0", 0x11)
            target.set("efer", 0)
        }
        target.ram.ranges = [0x1000..<0x8000, 0x1_0000..<0x2_0000, 0x1_0000_0000..<0x1_4000_0000].map {
            PhysicalAddress($0.lowerBound)..<PhysicalAddress($0.upperBound)
        }
        let client = Conversation(target)
        func region(_ address: String) -> String { client.ask("qMemoryRegionInfo:\(address)") }
        #expect(region("0") == "start:0;size:1000;")
        #expect(region("7fff") == "start:1000;size:7000;permissions:rwx;")
        #expect(region("8000") == "start:8000;size:8000;")
        #expect(region("12345") == "start:10000;size:10000;permissions:rwx;")
        if isArm {
            #expect(region("20000") == "start:20000;size:fffe0000;")
            #expect(region("100000000") == "start:100000000;size:40000000;permissions:rwx;")
            #expect(region("ffff000000000000") == "start:140000000;size:fffffffec0000000;")
        } else {
            // Without paging there are 32 bits.
            #expect(region("20000") == "start:20000;size:fffe0000;")
            #expect(region("100000000") == "start:100000000;size:ffffffff00000000;")
        }
    }

    @Test("tables that map everything in pieces are cut off at a bounded number of lines")
    func bounded() {
        // Every entry of every level is this table itself, by turns writable and not.
        var entries: [(place: Int, value: UInt64)] = []
        for index in 0..<512 { entries.append((0x1000 + index * 8, index % 2 == 0 ? 0x1003 : 0x1001)) }
        let client = client(entries)
        for (command, count) in [("info tlb", 1000), ("info mem", 16_000)] {
            let lines = client.monitor(command).split(separator: "\n")
            #expect(lines.count == count + 1 && lines.last == "and perhaps more")
        }
    }

    @Test("nothing mapped: info tlb says so, info mem has no line, as in QEMU")
    func empty() {
        #expect(client([]).monitor("info tlb") == "nothing is mapped\n")
        #expect(client([]).monitor("info mem") == "")
    }

    @Test("gva2gpa names page size and all flags")
    func translation() {
        let client = example()
        #expect(
            client.monitor("gva2gpa 0x603008")
                == "0x603008 -> 0x6008, 4 KiB page, writable, user, executable, global, accessed, dirty\n")
        #expect(client.monitor("gva2gpa 0x600008") == "0x600008 -> 0x5008, 4 KiB page, read-only, kernel, no-execute\n")
        #expect(client.monitor("gva2gpa 0x200000").contains("2048 KiB page, writable, kernel, executable, accessed"))
        #expect(client.monitor("gva2gpa 0x400000").contains("level 2 entry"))
    }
}
