// Why the machine is not running. GDB manual, "Remote Serial Protocol", Stop Reply Packets: `T`, `W`, `X`, `N`; LLDB's
// own fields. Left out: forks, system calls, libraries and whatever else needs processes; `S`, which `T` replaces.

import Primitives

/// What ends a resume.
package enum StopReply: Equatable, Sendable {
    case stopped(Stop)
    /// The machine is off, with this exit status; a process only when both sides are multiprocess.
    case exited(status: UInt8, process: Int?)
    case killed(Signal, process: Int?)
    /// Nothing is left that was resumed. Only for clients with `ClientFeatures.noResumed`.
    case noneResumed
}

/// A thread's stop: `T05...`.
package struct Stop: Equatable, Sendable {
    /// What the signal alone does not say.
    package enum Reason: Hashable, Sendable {
        /// Only for clients with `ClientFeatures.softwareBreakpoints`.
        case softwareBreakpoint
        /// Only for clients with `ClientFeatures.hardwareBreakpoints`.
        case hardwareBreakpoint
        /// The address that was accessed.
        case writeWatchpoint(VirtualAddress)
        case readWatchpoint(VirtualAddress)
        case accessWatchpoint(VirtualAddress)
    }

    /// A register sent along, to save the client asking for it.
    package struct Register: Equatable, Sendable {
        package var number: Int
        /// In guest byte order, as long as the target description says.
        package var value: ArraySlice<UInt8>

        package init(_ number: Int, _ value: ArraySlice<UInt8>) {
            self.number = number
            self.value = value
        }
    }

    /// What LLDB shows of a stop, and would ask for one by one. LLDB documentation, "GDB Remote Protocol Extensions",
    /// Stop reply packet extensions.
    package struct Details: Equatable, Sendable {
        /// LLDB's words for a stop that the signal does not explain: it looks for what is at the program counter, or
        /// takes a step for done.
        package enum Kind: String, Sendable {
            case breakpoint
            case trace
        }

        /// The thread's name.
        package var name: String
        package var kind: Kind?
        /// The reason in one line, instead of the signal's name.
        package var description: String?
        /// All threads, each with its program counter.
        package var threads: [(id: ThreadID, programCounter: UInt64)]

        package init(
            name: String, kind: Kind? = nil, description: String? = nil,
            threads: [(id: ThreadID, programCounter: UInt64)] = []
        ) {
            self.name = name
            self.kind = kind
            self.description = description
            self.threads = threads
        }

        package static func == (one: Self, other: Self) -> Bool {
            one.name == other.name && one.kind == other.kind && one.description == other.description
                && one.threads.elementsEqual(other.threads) { $0 == $1 }
        }
    }

    package var signal: Signal
    package var thread: ThreadID?
    package var reason: Reason?
    package var core: Int?
    package var registers: [Register]
    /// For LLDB, after QListThreadsInStopReply; otherwise nil.
    package var details: Details?

    package init(
        _ signal: Signal, thread: ThreadID? = nil, reason: Reason? = nil, core: Int? = nil, registers: [Register] = []
    ) {
        self.signal = signal
        self.thread = thread
        self.reason = reason
        self.core = core
        self.registers = registers
    }
}

extension Reply {
    package mutating func stop(_ reply: StopReply) {
        switch reply {
        case .stopped(let stop): self.stop(stop)
        case .exited(let status, let process): end("W", status, process)
        case .killed(let signal, let process): end("X", signal.rawValue, process)
        case .noneResumed: text("N")
        }
    }

    /// `%Stop:` in non-stop mode, for `Framer.frameNotification`. More stops wait for `Command.nextStop`.
    package mutating func stopNotification(_ reply: StopReply) {
        text("Stop:")
        stop(reply)
    }

    private mutating func stop(_ stop: Stop) {
        text("T")
        hex(stop.signal.rawValue)
        if let reason = stop.reason { self.reason(reason) }
        if let thread = stop.thread {
            text("thread:")
            self.thread(thread)
            text(";")
        }
        if let core = stop.core { field("core:", UInt64(core.magnitude)) }
        for register in stop.registers {
            // LLDB takes a field for a register only when its name is two digits.
            if register.number < 0x10 { text("0") }
            number(UInt64(register.number.magnitude))
            text(":")
            hex(register.value)
            text(";")
        }
        if let details = stop.details { self.details(details) }
    }

    private mutating func details(_ details: Stop.Details) {
        text("name:\(details.name);")
        if let kind = details.kind { text("reason:\(kind.rawValue);") }
        if let description = details.description {
            text("description:")
            hex(Array(description.utf8)[...])
            text(";")
        }
        guard !details.threads.isEmpty else { return }
        text("threads:")
        threadList(details.threads.map(\.id))
        text(";thread-pcs:")
        for (index, thread) in details.threads.enumerated() {
            if index > 0 { text(",") }
            number(thread.programCounter)
        }
        text(";")
    }

    private mutating func reason(_ reason: Stop.Reason) {
        switch reason {
        case .softwareBreakpoint: text("swbreak:;")
        case .hardwareBreakpoint: text("hwbreak:;")
        case .writeWatchpoint(let address): field("watch:", address.rawValue)
        case .readWatchpoint(let address): field("rwatch:", address.rawValue)
        case .accessWatchpoint(let address): field("awatch:", address.rawValue)
        }
    }

    private mutating func field(_ name: String, _ value: UInt64) {
        text(name)
        number(value)
        text(";")
    }

    private mutating func end(_ letter: String, _ status: UInt8, _ process: Int?) {
        text(letter)
        hex(status)
        if let process {
            text(";process:")
            number(UInt64(process.magnitude))
        }
    }
}
