import Architecture
import Primitives
import Testing

@testable import Debugger

@Suite("A sliding kernel over the wire")
struct SlideTests {
    /// Four levels of tables from 0x1000 on; a page of code at 0x5000, mapped where a kernel that slid by 0x1a000000 is;
    /// a note at 0x6000.
    private func target(note: String? = nil) -> SimulatedTarget {
        let target = SimulatedTarget()
        func put(_ value: UInt64, at place: Int) { target.ram.bytes.store(value, at: place, count: 8) }
        put(0x2003, at: 0x1000 + 511 * 8)
        put(0x3003, at: 0x2000 + 510 * 8)
        put(0x4003, at: 0x3000 + (0x1b00_0000 >> 21) * 8)
        put(0x5003, at: 0x4000)
        if let note { target.ram.bytes.replaceSubrange(0x6000..<0x6000 + note.utf8.count, with: note.utf8) }
        target.set("cr4", 0x20)
        target.set("cr3", 0x1000)
        return target
    }

    private static let note =
        "OSRELEASE=6.1.0-7\nBUILD-ID=0123456789abcdef0123456789abcdef01234567\nKERNELOFFSET=1a000000\n"

    @Test("gdb gets the place of the first segment")
    func segments() { #expect(Conversation(target(note: Self.note)).ask("qOffsets") == "TextSeg=ffffffff9b000000") }

    @Test("LLDB, which takes a segment's place for an offset, gets the offset; its process information has it too")
    func offsets() {
        let client = Conversation(target(note: Self.note))
        #expect(client.ask("QListThreadsInStopReply") == "OK")
        #expect(client.ask("qOffsets") == "Text=1a000000;Data=1a000000;Bss=1a000000")
        let info = client.ask("qProcessInfo")
        #expect(info.contains(";main-binary-uuid:0123456789abcdef0123456789abcdef01234567;main-binary-slide:1a000000;"))
    }

    @Test("monitor kaslr says where it is, how that is known, and what to give gdb")
    func command() {
        let text = Conversation(target(note: Self.note)).monitor("kaslr")
        for part in [
            "Linux 6.1.0-7", "0xffffffff9b000000", "0x1a000000 above", "VMCOREINFO", "symbol-file -o 0x1a000000",
        ] {
            #expect(text.contains(part), "\(text)")
        }
    }

    @Test("the image's own link address counts where it is known")
    func linkAddress() {
        let target = target(note: Self.note)
        target.traits.linkAddress = VirtualAddress(0xffff_ffff_8100_0000)
        #expect(Conversation(target).ask("qOffsets") == "TextSeg=ffffffff9b000000")
        // With it the note's offset leads to nothing executable, and the image is of no Linux.
        target.traits.linkAddress = VirtualAddress(0xffff_ffff_8020_0000)
        #expect(Conversation(target).ask("qOffsets") == "")
    }

    @Test("a guest that is no Linux, or not yet, gets the empty reply, and words from the monitor")
    func none() {
        let client = Conversation(target())
        #expect(client.ask("qOffsets") == "")
        #expect(!client.ask("qProcessInfo").contains("main-binary"))
        #expect(client.monitor("kaslr").hasPrefix("error: what begins at 0xffffffff9b000000"))
        client.target.set("cr3", 0x5000)
        #expect(client.monitor("kaslr").hasPrefix("error: nothing is executable"))
        client.target.set("cr0", 0x11)
        #expect(client.ask("qOffsets") == "")
        #expect(client.monitor("kaslr").contains("long mode"))
    }
}
