import Architecture
import Primitives
import RemoteProtocol

// What LLDB asks beyond GDB's protocol. LLDB documentation, "GDB Remote Protocol Extensions".
extension Session {
    /// The processor's name in LLDB's triples, by gdb's name of the architecture.
    private static let tripleNames = [
        "i386:x86-64": "x86_64", "i386": "i386", "i8086": "i386", "aarch64": "aarch64",
    ]

    /// Seconds that LLDB waits for a reply: a slow host may need more than its own 5.
    private static let patience = 10

    func answerHostInfo() {
        writeArchitecture()
        let moment = layout.architecture.watchpointsReportBehind ? "after" : "before"
        reply.text("vm-page-size:4096;watchpoint_exceptions_received:\(moment);")
        reply.text("default_packet_timeout:\(Self.patience);")
    }

    func answerProcessInfo() {
        reply.text("pid:1;")
        writeArchitecture()
        describeMainBinary()
    }

    private func writeArchitecture() {
        reply.text("triple:")
        reply.hex(Array("\(Self.tripleNames[layout.architectureName] ?? "unknown")-unknown-none".utf8)[...])
        reply.text(";endian:little;ptrsize:\(layout.registers[layout.programCounter].bits / 8);")
    }

    /// LLDB prefers target.xml: no register by number here.
    func answerRegisterInfo(_ number: Int) { reply.error(.malformed, "the registers are in target.xml") }

    // MARK: - Stops

    /// A vCPU's part in the stop, as it is reported.
    func details(of processor: Int, listingThreads: Bool) -> Stop.Details {
        var details = Stop.Details(name: "vCPU \(processor)")
        if listingThreads {
            details.threads = (0..<processorCount).map { (threadID($0), programCounter(of: $0)) }
        }
        guard processor == stop.processor else { return details }
        switch stop.cause {
        case .breakpoint: details.kind = .breakpoint
        case .stepped: details.kind = .trace
        // LLDB makes its own words from the address, and from the signal it sent.
        case .watchpoint, .interrupted, .paused: break
        case .held, .tripleFault, .exceptionLoop, .emulationFailure, .hostFailure, .haltedForGood, .caught,
            .memoryFault, .panicked, .biosCall, .reset, .ended:
            details.description = stop.explanation.map(Self.firstLine) ?? stop.cause.name
        }
        return details
    }

    private static func firstLine(_ text: String) -> String { String(text.prefix { $0 != "\n" }) }

    private func programCounter(of processor: Int) -> UInt64 {
        target.registers(of: processor, having: RegisterBlocks()).number(layout.registers[layout.programCounter])
    }

    /// qThreadStopInfo: the stop itself, or that of a vCPU that only stands because another stopped.
    func answerThreadStopInfo(_ thread: ThreadID) {
        guard let processor = processors(thread).first else { return reply.error(.noThread, "no such thread") }
        guard processor != stop.processor else { return reply.stop(stopReply(stop)) }
        var quiet = Stop(.none, thread: threadID(processor), core: processor)
        quiet.registers = expedited(of: processor)
        quiet.details = details(of: processor, listingThreads: false)
        reply.stop(.stopped(quiet))
    }

    /// jThreadsInfo: every thread's stop at once, as JSON.
    func answerThreadsInfo() {
        let threads = (0..<processorCount).map(threadInfo)
        reply.binary(Array("[\(threads.joined(separator: ","))]".utf8)[...])
    }

    private func threadInfo(_ processor: Int) -> String {
        let details = details(of: processor, listingThreads: false)
        var reason = details.kind?.rawValue
        var description = details.description
        if processor == stop.processor, case .watchpoint(_, let address) = stop.cause {
            // The address and the number of a debug register, which LLDB does not use here.
            (reason, description) = ("watchpoint", "\(address.rawValue) 0")
        }
        let signal = processor == stop.processor ? stop.cause.signal : .none
        var fields = [
            "\"tid\":\(processor + 1)", "\"name\":\(json(details.name))", "\"core\":\(processor)",
            "\"signal\":\(signal.rawValue)",
        ]
        if let reason { fields.append("\"reason\":\(json(reason))") }
        if let description { fields.append("\"description\":\(json(description))") }
        let registers = expedited(of: processor).map { register in
            var value = Reply()
            value.hex(register.value)
            return "\"\(register.number)\":\"\(String(decoding: value.bytes, as: UTF8.self))\""
        }
        fields.append("\"registers\":{\(registers.joined(separator: ","))}")
        return "{\(fields.joined(separator: ","))}"
    }

    /// A JSON string (RFC 8259, section 7).
    private func json(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..."\u{1f}": result += "\\u00\(hexadecimal(scalar.value, digits: 2).dropFirst(2))"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    // MARK: - Registers kept for later

    /// The data of `g` under a number each.
    struct SavedRegisters {
        /// More are not kept: LLDB saves one for each expression that it evaluates, and restores it.
        static let capacity = 16

        private var states: [Int: [UInt8]] = [:]
        private var last = 0

        mutating func add(_ bytes: [UInt8]) -> Int {
            last += 1
            states[last] = bytes
            states[last - Self.capacity] = nil
            return last
        }

        mutating func take(_ state: Int) -> [UInt8]? { states.removeValue(forKey: state) }
    }

    func saveRegisters(_ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        let file = target.registers(of: processor, having: RegisterBlocks())
        for register in layout.registers[..<layout.countInG] {
            if let reason = file.reasonMissing(register) {
                return reply.error(.invalid, "\(register.name) is unavailable: \(reason)")
            }
        }
        reply.text("\(client.savedRegisters.add(generalRegisters(of: processor)))")
    }

    func restoreRegisters(_ state: Int, _ thread: ThreadID?) {
        guard processor(thread) != nil else { return reply.error(.noThread, "no such thread") }
        guard let bytes = client.savedRegisters.take(state) else {
            return reply.error(.invalid, "no registers are kept as \(state)")
        }
        writeRegisters(bytes[...], thread)
    }
}
