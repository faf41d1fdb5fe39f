import Primitives
import Testing

@testable import RemoteProtocol

/// A packet as text and what it must become.
struct Row: CustomTestStringConvertible, Sendable {
    let packet: String
    let command: Command

    init(_ packet: String, _ command: Command) {
        self.packet = packet
        self.command = command
    }

    var testDescription: String { packet }
}

private func at(_ address: UInt64) -> VirtualAddress { VirtualAddress(address) }
private func slice(_ text: String) -> ArraySlice<UInt8> { ascii(text)[...] }
private let first = ThreadID(process: 1, thread: 1)

@Suite struct CommandTests {
    @Test(arguments: [
        Row("qSupported", .supported([])),
        Row("qSupported:", .supported([])),
        Row("qSupported:multiprocess+", .supported(.multiprocess)),
        Row(
            "qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;exec-events+;"
                + "vContSupported+;QThreadEvents+;no-resumed+;memory-tagging+;xmlRegisters=i386;error-message+",
            .supported([
                .multiprocess, .softwareBreakpoints, .hardwareBreakpoints, .resumeActions, .noResumed, .errorMessages,
            ])),
        Row("qSupported:multiprocess-;swbreak?;hwbreak;;+;=;vContSupported=1", .supported([])),
        Row("qSupportedNot", .unknown),
        Row("QStartNoAckMode", .startNoAckMode),
        Row("QStartNoAckMode:", .unknown),
        Row("QEnableErrorStrings", .errorStrings),
        Row("!", .extendedMode),
        Row("!!", .unknown),
        Row("?", .stopReason),
        Row("?0", .unknown),
        Row("QNonStop:0", .nonStop(false)),
        Row("QNonStop:1", .nonStop(true)),
        Row("QNonStop:2", .malformed(.numberTooLarge)),
        Row("QNonStop:", .malformed(.noNumber)),
        Row("qAttached", .attached(process: nil)),
        Row("qAttached:1", .attached(process: 1)),
        Row("qAttached:x", .malformed(.noNumber)),
        Row("D", .detach(process: nil)),
        Row("D;1", .detach(process: 1)),
        Row("D;1;", .malformed(.trailingBytes)),
        Row("D;", .malformed(.noNumber)),
        Row("D1", .malformed(.noSeparator)),
        Row("k", .kill),
        Row("kill", .unknown),
        Row("R", .restart),
        Row("R00", .restart),
        Row("vKill;a410", .killProcess(0xa410)),
        Row("vKill;", .malformed(.noNumber)),
        Row("vKill", .unknown),
        Row("vRun;", .run([[]])),
        Row("vRun;;6162", .run([[], slice("ab")])),
        Row("vRun;612f62;2d78;", .run([slice("a/b"), slice("-x")])),
        Row("vRun;6", .malformed(.badHexadecimal)),
        Row("vAttach;1", .attach(process: 1)),
        Row("vAttach;8000000000000000", .malformed(.numberTooLarge)),
        Row("vMustReplyEmpty", .mustReplyEmpty),
        Row("qRcmd,776879", .monitor(slice("why"))),
        Row("qRcmd,", .monitor([])),
        Row("qRcmd,7", .malformed(.badHexadecimal)),
        Row("qSymbol::", .symbols),
        Row("qSymbol:1000:6d61696e", .symbols),
        Row("qTStatus", .traceStatus),
        Row("qOffsets", .sectionOffsets),
    ])
    func theSession(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row("Hg0", .selectThread(.other, .any)),
        Row("Hgp1.1", .selectThread(.other, first)),
        Row("Hc-1", .selectThread(.resume, .all)),
        Row("Hcp1.-1", .selectThread(.resume, ThreadID(process: .one(1), thread: .all))),
        Row("Hgp0.0", .selectThread(.other, ThreadID(process: .any, thread: .any))),
        Row("Hg", .malformed(.badThread)),
        Row("Hg1x", .malformed(.trailingBytes)),
        Row("H", .unknown),
        Row("Hm1", .unknown),
        Row("T1f", .threadAlive(ThreadID(thread: .one(0x1f)))),
        Row("Tp1.2", .threadAlive(ThreadID(process: 1, thread: 2))),
        Row("Tp1", .threadAlive(ThreadID(process: .one(1), thread: .all))),
        Row("Tp-1.-1", .threadAlive(ThreadID(process: .all, thread: .all))),
        Row("Tp-1.2", .malformed(.badThread)),
        Row("T-2", .malformed(.badThread)),
        Row("T-", .malformed(.noNumber)),
        Row("Tp", .malformed(.badThread)),
        Row("Tp1.", .malformed(.badThread)),
        Row("T8000000000000000", .malformed(.numberTooLarge)),
        Row("qC", .currentThread),
        Row("qCx", .unknown),
        Row("qfThreadInfo", .firstThreads),
        Row("qsThreadInfo", .nextThreads),
        Row("qThreadExtraInfo,p1.1", .threadExtraInfo(first)),
        Row("qThreadExtraInfo,", .malformed(.badThread)),
        Row("QThreadEvents:1", .unknown),
    ])
    func threads(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row("g", .readRegisters(nil)),
        Row("g;thread:0001;", .readRegisters(ThreadID(thread: .one(1)))),
        Row("g;thread:p1.1", .readRegisters(first)),
        Row("g;thread:", .malformed(.badThread)),
        Row("g;bread:1;", .malformed(.trailingBytes)),
        Row("ga", .unknown),
        Row("G0102", .writeRegisters([1, 2], nil)),
        Row("G", .writeRegisters([], nil)),
        Row("G0102;thread:2;", .writeRegisters([1, 2], ThreadID(thread: .one(2)))),
        Row("G010", .malformed(.badHexadecimal)),
        Row("Gxx", .malformed(.badHexadecimal)),
        Row("p0", .readRegister(0, nil)),
        Row("p1F", .readRegister(0x1f, nil)),
        Row("p10;thread:1;", .readRegister(0x10, ThreadID(thread: .one(1)))),
        Row("p", .malformed(.noNumber)),
        Row("p1,", .malformed(.noSeparator)),
        Row("pffffffffffffffff", .malformed(.numberTooLarge)),
        Row("P10=0000000000000001", .writeRegister(0x10, [0, 0, 0, 0, 0, 0, 0, 1], nil)),
        Row("P0=ff;thread:p1.1;", .writeRegister(0, [0xff], first)),
        Row("P0=", .writeRegister(0, [], nil)),
        Row("P0", .malformed(.noSeparator)),
        Row("P=0", .malformed(.noNumber)),
        Row("P0=f", .malformed(.badHexadecimal)),
        Row("P0=ff;thread:1;x", .malformed(.trailingBytes)),
    ])
    func registers(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row("m0,0", .readMemory(at(0), count: 0)),
        Row("mffffffff81000000,40", .readMemory(at(0xffff_ffff_8100_0000), count: 0x40)),
        Row("m00000000000000000010,000000000000000000004", .readMemory(at(0x10), count: 4)),
        Row("m0,ffffffffffffffff", .readMemory(at(0), count: .max)),
        Row("m10000000000000000,1", .malformed(.numberTooLarge)),
        Row("m0,10000000000000000", .malformed(.numberTooLarge)),
        Row("m", .malformed(.noNumber)),
        Row("m0", .malformed(.noSeparator)),
        Row("m0,", .malformed(.noNumber)),
        Row("m0;4", .malformed(.noSeparator)),
        Row("m0,4x", .malformed(.trailingBytes)),
        Row("m-1,4", .malformed(.noNumber)),
        Row("x1000,80", .readMemoryBinary(at(0x1000), count: 0x80)),
        Row("x0,0", .readMemoryBinary(at(0), count: 0)),
        Row("x0", .malformed(.noSeparator)),
        Row("M10,2:aBcD", .writeMemory(at(0x10), [0xab, 0xcd])),
        Row("M10,0:", .writeMemory(at(0x10), [])),
        Row("M10,2:ab", .malformed(.wrongLength)),
        Row("M10,2:abc", .malformed(.badHexadecimal)),
        Row("M10,2", .malformed(.noSeparator)),
        Row("X10,3:a:;", .writeMemory(at(0x10), slice("a:;"))),
        Row("X0,0:", .writeMemory(at(0), [])),
        Row("X0,1:", .malformed(.wrongLength)),
        Row("X0,0:a", .malformed(.wrongLength)),
        Row("X0,1", .malformed(.noSeparator)),
        Row("qSearch:memory:1000;200;a;b", .searchMemory(at(0x1000), count: 0x200, pattern: slice("a;b"))),
        Row("qSearch:memory:1000;200", .malformed(.noSeparator)),
        Row("qSearch:memory:;", .malformed(.noNumber)),
        Row("qSearch:other:1", .unknown),
        Row("qCRC:1000,20", .checkMemory(at(0x1000), count: 0x20)),
        Row("qCRC:1000", .malformed(.noSeparator)),
        Row("qMemoryRegionInfo:ffff", .memoryRegion(at(0xffff))),
        Row("qMemoryRegionInfo:", .malformed(.noNumber)),
    ])
    func memory(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row(
            "qXfer:features:read:target.xml:0,ffb",
            .transfer(.features, annex: slice("target.xml"), offset: 0, count: 0xffb)),
        Row("qXfer:memory-map:read::0,1000", .transfer(.memoryMap, annex: [], offset: 0, count: 0x1000)),
        Row("qXfer:threads:read::10,1000", .transfer(.threads, annex: [], offset: 0x10, count: 0x1000)),
        Row(
            "qXfer:threads:read::ffffffffffffffff,ffffffffffffffff",
            .transfer(.threads, annex: [], offset: .max, count: .max)),
        Row("qXfer:features:read:target.xml:0", .malformed(.noSeparator)),
        Row("qXfer:features:read:target.xml", .malformed(.noNumber)),
        Row("qXfer:features:read:target.xml:0,1,2", .malformed(.trailingBytes)),
        Row("qXfer:features:write:target.xml:0:ab", .unknown),
        Row("qXfer:auxv:read::0,1000", .unknown),
        Row("qXfer:", .unknown),
        Row("qXfer", .unknown),
    ])
    func transfers(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row("vCont?", .resumeActions),
        Row("vCont;c", .resume([ThreadAction(.resume)])),
        Row(
            "vCont;s:p1.1;c:p1.-1",
            .resume([
                ThreadAction(.step, first), ThreadAction(.resume, ThreadID(process: .one(1), thread: .all)),
            ])),
        Row(
            "vCont;C05:1;S0b:2",
            .resume([
                ThreadAction(.resumeWithSignal(.trap), ThreadID(thread: .one(1))),
                ThreadAction(.stepWithSignal(.segmentationFault), ThreadID(thread: .one(2))),
            ])),
        Row("vCont;t:p1.2", .resume([ThreadAction(.stop, ThreadID(process: 1, thread: 2))])),
        Row(
            "vCont;r1000,1010:p1.1;c",
            .resume([ThreadAction(.stepRange(at(0x1000)..<at(0x1010)), first), ThreadAction(.resume)])),
        Row("vCont;r10,10", .resume([ThreadAction(.stepRange(at(0x10)..<at(0x10)))])),
        Row("vCont;r10,f", .malformed(.wrongLength)),
        Row("vCont;r10", .malformed(.noSeparator)),
        Row("vCont;", .malformed(.unknownAction)),
        Row("vCont;c;", .malformed(.unknownAction)),
        Row("vCont;q", .malformed(.unknownAction)),
        Row("vCont;cc", .malformed(.trailingBytes)),
        Row("vCont;C", .malformed(.noNumber)),
        Row("vCont;C100", .malformed(.numberTooLarge)),
        Row("vCont;c:", .malformed(.badThread)),
        Row("vCont", .unknown),
        Row("vStopped", .nextStop),
        Row("vCtrlC", .interrupt),
        Row("c", .resumeSelected(.resume, at: nil)),
        Row("c1000", .resumeSelected(.resume, at: at(0x1000))),
        Row("s", .resumeSelected(.step, at: nil)),
        Row("s1000", .resumeSelected(.step, at: at(0x1000))),
        Row("C05", .resumeSelected(.resumeWithSignal(.trap), at: nil)),
        Row("C05;10", .resumeSelected(.resumeWithSignal(.trap), at: at(0x10))),
        Row("S02", .resumeSelected(.stepWithSignal(.interrupt), at: nil)),
        Row("S02;10", .resumeSelected(.stepWithSignal(.interrupt), at: at(0x10))),
        Row("cx", .malformed(.noNumber)),
        Row("c10,", .malformed(.trailingBytes)),
        Row("C", .malformed(.noNumber)),
        Row("C05;", .malformed(.noNumber)),
        Row("C05:10", .malformed(.noSeparator)),
        Row("S1ff", .malformed(.numberTooLarge)),
    ])
    func resuming(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row("Z0,1000,1", .insertBreakpoint(BreakpointRequest(.software, at(0x1000), length: 1))),
        Row(
            "Z1,ffffffff81000000,1",
            .insertBreakpoint(
                BreakpointRequest(.hardware, at(0xffff_ffff_8100_0000), length: 1))),
        Row("z2,10,8", .removeBreakpoint(BreakpointRequest(.writeWatchpoint, at(0x10), length: 8))),
        Row("Z3,10,8", .insertBreakpoint(BreakpointRequest(.readWatchpoint, at(0x10), length: 8))),
        Row("z4,10,800", .removeBreakpoint(BreakpointRequest(.accessWatchpoint, at(0x10), length: 0x800))),
        Row(
            "Z0,10,1;X3,220027;cmds:0,X1,27",
            .insertBreakpoint(
                BreakpointRequest(.software, at(0x10), length: 1, tail: slice("X3,220027;cmds:0,X1,27")))),
        Row("Z0,10,1;", .insertBreakpoint(BreakpointRequest(.software, at(0x10), length: 1))),
        Row("Z5,10,1", .unknown),
        Row("zffffffffffffffff,10,1", .unknown),
        Row("Z", .malformed(.noNumber)),
        Row("Z0", .malformed(.noSeparator)),
        Row("Z0,", .malformed(.noNumber)),
        Row("Z0,10", .malformed(.noSeparator)),
        Row("Z0,10,", .malformed(.noNumber)),
        Row("Z0,10,1,", .malformed(.noSeparator)),
    ])
    func breakpoints(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        Row("QThreadSuffixSupported", .threadSuffix),
        Row("QListThreadsInStopReply", .threadsInStopReply),
        Row("qHostInfo", .hostInfo),
        Row("qProcessInfo", .processInfo(process: nil)),
        Row("qProcessInfoPID:1", .processInfo(process: 1)),
        Row("qProcessInfoPID:", .malformed(.noNumber)),
        Row("qRegisterInfo0", .registerInfo(0)),
        Row("qRegisterInfo1a", .registerInfo(0x1a)),
        Row("qRegisterInfo", .malformed(.noNumber)),
        Row("jThreadsInfo", .threadsInfo),
        Row("jThreadExtendedInfo:{}", .unknown),
        Row("qThreadStopInfo1f", .threadStopInfo(ThreadID(thread: .one(0x1f)))),
        Row("qThreadStopInfo", .malformed(.badThread)),
        Row("QSaveRegisterState", .saveRegisters(nil)),
        Row("QSaveRegisterState;thread:0002;", .saveRegisters(ThreadID(thread: .one(2)))),
        Row("QRestoreRegisterState:12;thread:2;", .restoreRegisters(12, ThreadID(thread: .one(2)))),
        Row("QRestoreRegisterState:3", .restoreRegisters(3, nil)),
        Row("QRestoreRegisterState:a", .malformed(.noNumber)),
        Row("QRestoreRegisterState:99999999999999999999", .malformed(.noNumber)),
        Row("QRestoreRegisterState:3;thread", .malformed(.trailingBytes)),
        Row("qqemu.sstepbits", .stepMaskBits),
        Row("Qqemu.sstepbits", .stepMaskBits),
        Row("qqemu.sstep", .stepMask),
        Row("Qqemu.sstep", .stepMask),
        Row("Qqemu.sstep=7", .setStepMask(7)),
        Row("qqemu.sstep=7", .setStepMask(7)),
        Row("qqemu.Supported", .emulatorFeatures),
        Row("Qqemu.Supported", .unknown),
        Row("Qqemu.PhyMemMode", .unknown),
        Row("Qqemu.sstep=", .malformed(.noNumber)),
        Row("qqemu.PhyMemMode", .physicalMemoryMode),
        Row("Qqemu.PhyMemMode:1", .setPhysicalMemoryMode(true)),
        Row("Qqemu.PhyMemMode:0", .setPhysicalMemoryMode(false)),
        Row("Qqemu.PhyMemMode:x", .malformed(.noNumber)),
    ])
    func lldbAndQEMU(row: Row) { #expect(parse(row.packet) == row.command) }

    @Test(arguments: [
        "", "q", "Q", "v", "vFile:open:", "qL1200000000", "bs", "bc", "A2,0,61", "_M1000,rw", "tfoo", "\u{0}", "~", "É",
        "QPassSignals:e;10", "qTfP", "jGetSharedCacheInfo:{}", "B0", "i", "y",
    ])
    func whatNobodyKnowsIsUnknown(packet: String) { #expect(parse(packet) == .unknown) }

    @Test func noNameHidesAnother() {
        for (index, row) in Command.names.enumerated() {
            for earlier in Command.names[..<index] {
                if case .fields = earlier.meaning { #expect(!row.name.starts(with: earlier.name)) }
                #expect(row.name != earlier.name)
            }
        }
    }
}
