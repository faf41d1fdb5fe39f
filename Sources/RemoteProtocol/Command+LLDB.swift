// What LLDB asks beyond GDB's protocol. LLDB documentation, "GDB Remote Protocol Extensions". Its thread suffix is read
// in Command+Registers, its memory regions in Command+Memory. Left out: launching, files, allocating, saving registers.

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
    ]
}
