// Every packet this server knows, as values. GDB manual, "Remote Serial Protocol": Packets, General Query Packets;
// LLDB's additions: "GDB Remote Protocol Extensions"; QEMU's: its manual, "GDB usage".
//
// Left out, and so `.unknown` (the empty reply): tracepoints, files, branch tracing, catching system calls, reverse
// execution, and everything that needs an operating system.

import Primitives

/// One request of a client, read once and completely.
///
/// Byte payloads are slices, mostly of the packet itself: their indices do not begin at 0.
package enum Command: Equatable, Sendable {
    /// Not one of ours: the empty reply.
    case unknown
    /// One of ours, but unreadable: an error reply.
    case malformed(Malformed)

    // The session
    case supported(ClientFeatures)
    case startNoAckMode
    case extendedMode
    case mustReplyEmpty
    /// QEnableErrorStrings (LLDB): `Enn;` and the text in hexadecimal from now on.
    case errorStrings
    case nonStop(Bool)
    /// qAttached; a process only in the multiprocess form.
    case attached(process: Int?)
    case detach(process: Int?)
    /// `k`, the one packet without a reply.
    case kill
    case killProcess(Int)
    case restart
    /// vRun: the program's name (empty: the last one), then its arguments.
    case run([ArraySlice<UInt8>])
    case attach(process: Int)
    /// qRcmd: a monitor command as typed.
    case monitor(ArraySlice<UInt8>)
    case symbols
    case traceStatus
    case sectionOffsets

    // Threads
    case selectThread(ThreadOperation, ThreadID)
    case threadAlive(ThreadID)
    case currentThread
    case firstThreads
    case nextThreads
    case threadExtraInfo(ThreadID)

    // Registers; a thread only in LLDB's suffix, otherwise the selected one is meant
    case readRegisters(ThreadID?)
    case writeRegisters(ArraySlice<UInt8>, ThreadID?)
    case readRegister(Int, ThreadID?)
    case writeRegister(Int, ArraySlice<UInt8>, ThreadID?)

    // Memory; counts in bytes, at most `Int.max`
    case readMemory(VirtualAddress, count: Int)
    /// `x`: the reply is binary. LLDB asks for 0 bytes at 0 to learn whether this works, and expects `OK`.
    case readMemoryBinary(VirtualAddress, count: Int)
    /// `M` and `X`. GDB writes no bytes at all to learn whether `X` works.
    case writeMemory(VirtualAddress, ArraySlice<UInt8>)
    case searchMemory(VirtualAddress, count: Int, pattern: ArraySlice<UInt8>)
    case checkMemory(VirtualAddress, count: Int)
    case memoryRegion(VirtualAddress)
    case transfer(TransferObject, annex: ArraySlice<UInt8>, offset: Int, count: Int)

    // Stopping and going
    case stopReason
    /// vStopped: the next of the stops that a notification began.
    case nextStop
    case interrupt
    case resumeActions
    /// vCont: for each thread the first action that matches it; threads that none matches stay as they are.
    case resume([ThreadAction])
    /// `c`, `s`, `C`, `S`: the thread selected by `Hc`, from another address when one is given.
    case resumeSelected(ResumeAction, at: VirtualAddress?)
    case insertBreakpoint(BreakpointRequest)
    case removeBreakpoint(BreakpointRequest)

    // LLDB
    case threadSuffix
    case threadsInStopReply
    case hostInfo
    case processInfo(process: Int?)
    case registerInfo(Int)
    case threadsInfo
    case threadStopInfo(ThreadID)
    /// QSaveRegisterState: the reply is a number to restore them by.
    case saveRegisters(ThreadID?)
    case restoreRegisters(Int, ThreadID?)

    // QEMU
    case emulatorFeatures
    case stepMaskBits
    case stepMask
    case setStepMask(UInt64)
    case physicalMemoryMode
    case setPhysicalMemoryMode(Bool)
}

extension Command {
    /// Reads any bytes whatsoever.
    package init(parsing packet: ArraySlice<UInt8>) {
        var reader = PacketReader(packet)
        do throws(Malformed) {
            if let command = try Command.named(&reader) {
                self = command
            } else {
                self = try Command.lettered(&reader)
            }
        } catch {
            self = .malformed(error)
        }
    }

    /// Packets that are one letter, `reader` standing at that letter.
    private static func lettered(_ reader: inout PacketReader) throws(Malformed) -> Command {
        switch reader.character() {
        case "m": try readMemory(&reader)
        case "x": try readMemoryBinary(&reader)
        case "M": try writeMemoryHexadecimal(&reader)
        case "X": try writeMemoryBinary(&reader)
        case "g": try readRegisters(&reader)
        case "G": try writeRegisters(&reader)
        case "p": try readRegister(&reader)
        case "P": try writeRegister(&reader)
        case "Z": try insertBreakpoint(&reader)
        case "z": try removeBreakpoint(&reader)
        case "c": try resumeSelected(.resume, &reader)
        case "s": try resumeSelected(.step, &reader)
        case "C": try resumeSelected(.resumeWithSignal(signal(&reader)), after: ";", &reader)
        case "S": try resumeSelected(.stepWithSignal(signal(&reader)), after: ";", &reader)
        case "H": try selectThread(&reader)
        case "T": .threadAlive(try lastThread(&reader))
        case "D": try detach(&reader)
        case "R": .restart
        case "k": reader.isAtEnd ? .kill : .unknown
        case "?": reader.isAtEnd ? .stopReason : .unknown
        case "!": reader.isAtEnd ? .extendedMode : .unknown
        default: .unknown
        }
    }
}
