// What LLDB asks beyond GDB's protocol. LLDB documentation, "GDB Remote Protocol Extensions". Its thread suffix is read
// in Command+Registers, its memory regions in Command+Memory. Left out, and so answered empty: launching, files,
// allocating memory, and how many watchpoints there are (qWatchpointSupportInfo): no number limits them.

extension Command {
    static let debuggerExtensionNames: [NamedPacket] = [
        NamedPacket("QThreadSuffixSupported", .threadSuffix),
        NamedPacket("QListThreadsInStopReply", .threadsInStopReply),
        NamedPacket("QEnableErrorStrings", .errorStrings),
        NamedPacket("qHostInfo", .hostInfo),
        NamedPacket("qProcessInfo", .processInfo(process: nil)),
        NamedPacket(
            "qProcessInfoPID:",
            then: { (reader) throws(Malformed) in
                .processInfo(process: try process(&reader))
            }),
        NamedPacket(
            "qRegisterInfo",
            then: { (reader) throws(Malformed) in
                .registerInfo(try reader.number(as: Int.self))
            }),
        NamedPacket("jThreadsInfo", .threadsInfo),
        NamedPacket(
            "qThreadStopInfo",
            then: { (reader) throws(Malformed) in
                .threadStopInfo(try reader.thread())
            }),
        NamedPacket(
            "QSaveRegisterState",
            then: { (reader) throws(Malformed) in
                .saveRegisters(try suffix(&reader))
            }),
        NamedPacket(
            "QRestoreRegisterState:",
            then: { (reader) throws(Malformed) in
                // Unlike all other numbers, these are decimal.
                guard let state = Int(String(decoding: reader.field(before: ";"), as: UTF8.self)) else {
                    throw .noNumber
                }
                return .restoreRegisters(state, try suffix(&reader))
            }),
    ]
}
