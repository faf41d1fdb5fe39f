import Primitives
import Testing

@testable import RemoteProtocol

@Suite struct ReplyTests {
    private func written(_ write: (inout Reply) -> Void) -> String {
        var reply = Reply()
        write(&reply)
        return String(decoding: reply.bytes, as: UTF8.self)
    }

    @Test func standardReplies() {
        #expect(written { $0.ok() } == "OK")
        #expect(written { _ in } == "")
        #expect(written { $0.hex([0, 0xab]) } == "00ab")
        #expect(written { $0.number(0x10) } == "10")
        #expect(written { $0.console(ascii("Hi\n")[...]) } == "O48690a")
        #expect(written { $0.binary([0x23, 0x61]) } == "#a")
    }

    @Test func aBufferIsUsedForOneReplyAfterAnother() {
        var reply = Reply()
        reply.ok()
        reply.clear()
        reply.text("l")
        #expect(reply.bytes == ascii("l"))
    }

    @Test(arguments: [
        (Reply.ErrorStyle.number, "E0e"),
        (.message, "E.no page at 0x10?? 1"),
        (.numberAndMessage, "E0e;6e6f2070616765206174203078313023242031"),
    ])
    func errorsAreAsTheClientTakesThem(style: Reply.ErrorStyle, expected: String) {
        let text = written {
            $0.errorStyle = style
            $0.error(.badAddress, "no page at 0x10#$ 1")
        }
        #expect(text == expected)
    }

    @Test func aMalformedPacketIsE01() {
        #expect(written { $0.error(.noNumber) } == "E01")
    }

    @Test(arguments: [
        (0, 4, "mabcd"), (4, 2, "mef"), (4, 4, "lefgh"), (0, 8, "labcdefgh"), (0, 9, "labcdefgh"), (8, 4, "l"),
        (9, 4, "l"), (Int.max, Int.max, "l"), (1, Int.max, "lbcdefgh"), (0, 0, "m"),
    ])
    func documentsGoInParts(offset: Int, count: Int, expected: String) {
        #expect(written { $0.transfer(ascii("abcdefgh"), offset: offset, count: count) } == expected)
    }

    @Test func threadIDs() {
        #expect(written { $0.thread(ThreadID(process: 1, thread: 0x1f)) } == "p1.1f")
        #expect(written { $0.thread(.all) } == "-1")
        #expect(written { $0.thread(.any) } == "0")
        #expect(written { $0.thread(ThreadID(process: .one(1), thread: .all)) } == "p1.-1")
        #expect(written { $0.threads([ThreadID(process: 1, thread: 1), ThreadID(thread: .one(2))]) } == "mp1.1,2")
        #expect(written { $0.threads([]) } == "l")
        #expect(written { $0.lastThreads() } == "l")
    }

    @Test func threadIDsMatch() {
        #expect(ThreadID.all.matches(process: 1, thread: 2))
        #expect(ThreadID(process: .one(1), thread: .all).matches(process: 1, thread: 2))
        #expect(!ThreadID(process: .one(2), thread: .all).matches(process: 1, thread: 2))
        #expect(!ThreadID(thread: .one(1)).matches(process: 1, thread: 2))
    }

    @Test func featuresAreListed() {
        let features = [
            ServerFeature("PacketSize", .number(0x2_0000)), ServerFeature("QStartNoAckMode"),
            ServerFeature("QNonStop", .no), ServerFeature("qemu", .text("x")),
        ]
        #expect(written { $0.features(features) } == "PacketSize=20000;QStartNoAckMode+;QNonStop-;qemu=x")
    }

    @Test func stopReplies() {
        var stop = Stop(
            .trap, thread: ThreadID(process: 1, thread: 2), reason: .softwareBreakpoint, core: 1,
            registers: [Stop.Register(6, [0x10, 0x20]), Stop.Register(0x110, [1])])
        #expect(
            written { $0.stop(.stopped(stop)) } == "T05swbreak:;thread:p1.2;core:1;06:1020;110:01;")
        stop.details = Stop.Details(
            name: "vCPU 1", kind: .breakpoint, description: "a\u{7d}",
            threads: [(ThreadID(thread: .one(1)), 0x1000), (ThreadID(thread: .one(2)), .max)])
        stop.registers = []
        stop.core = nil
        stop.reason = .hardwareBreakpoint
        #expect(
            written { $0.stopNotification(.stopped(stop)) }
                == "Stop:T05hwbreak:;thread:p1.2;name:vCPU 1;reason:breakpoint;description:617d;threads:1,2;"
                + "thread-pcs:1000,ffffffffffffffff;")
        #expect(written { $0.stop(.stopped(Stop(.interrupt))) } == "T02")
    }

    @Test func watchpointsSayWhere() {
        let address = VirtualAddress(0xffff_ffff_8100_0000)
        #expect(
            written { $0.stop(.stopped(Stop(.trap, reason: .writeWatchpoint(address)))) }
                == "T05watch:ffffffff81000000;")
        #expect(
            written { $0.stop(.stopped(Stop(.trap, reason: .readWatchpoint(address + 1)))) }
                == "T05rwatch:ffffffff81000001;")
        #expect(
            written { $0.stop(.stopped(Stop(.trap, reason: .accessWatchpoint(address + 2)))) }
                == "T05awatch:ffffffff81000002;")
    }

    @Test func endings() {
        #expect(written { $0.stop(.exited(status: 0, process: nil)) } == "W00")
        #expect(written { $0.stop(.exited(status: 0x1f, process: 1)) } == "W1f;process:1")
        #expect(written { $0.stop(.killed(.segmentationFault, process: nil)) } == "X0b")
        #expect(written { $0.stop(.noneResumed) } == "N")
    }

    @Test func signalsHaveGDBsNumbers() {
        let signals: [Signal] = [
            .interrupt, .illegalInstruction, .trap, .abort, .emulationTrap, .busError, .segmentationFault,
        ]
        #expect(signals.map(\.rawValue) == [2, 4, 5, 6, 7, 10, 11])
    }
}
