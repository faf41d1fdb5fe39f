import Architecture
import Primitives
import RemoteProtocol

extension MonitorCommand {
    /// Every monitor command of a machine with a PC's interrupt controllers: `help` comes first, and is what an empty
    /// line means.
    static let table: [MonitorCommand] = machineCommands + InterruptCommand.table.map { $0.command($0.pc) }
    /// Those of a machine with a GIC.
    static let gicTable: [MonitorCommand] = machineCommands + InterruptCommand.table.map { $0.command($0.gic) }

    private static let machineCommands: [MonitorCommand] = [
        MonitorCommand(name: "help", arguments: "[COMMAND]", summary: "what there is, or what one command does") {
            session, words throws(Refusal) in try help(words, in: session.commands)
        },
        MonitorCommand(name: "why", arguments: "", summary: "why the machine is stopped") {
            session, _ throws(Refusal) in session.why()
        },
        MonitorCommand(name: "status", arguments: "", summary: "the machine and each of its vCPUs") {
            session, _ throws(Refusal) in session.status()
        },
        MonitorCommand(
            name: "info registers", arguments: "[CPU] [general | system | float | vector]",
            summary: "the registers of a vCPU, the selected one's if none is named"
        ) { session, words throws(Refusal) in try session.allRegisters(words) },
        MonitorCommand(
            name: "msr read", arguments: "N", summary: "a model-specific register, by number or name (EFER, LSTAR, ...)"
        ) { session, words throws(Refusal) in try session.readModelSpecific(words) },
        MonitorCommand(name: "msr write", arguments: "N VALUE", summary: "change a model-specific register") {
            session, words throws(Refusal) in try session.writeModelSpecific(words)
        },
        MonitorCommand(name: "info cpus", arguments: "", summary: "each vCPU: mode, privilege level, where it is") {
            session, _ throws(Refusal) in session.processors().joined(separator: "\n")
        },
        MonitorCommand(name: "info exits", arguments: "", summary: "VM exits so far: how many, their share, mean time")
        {
            session, _ throws(Refusal) in session.target.report(.exits)
        },
        MonitorCommand(name: "exits reset", arguments: "", summary: "count VM exits from zero") {
            session, _ throws(Refusal) in session.target.report(.exitsReset)
        },
        MonitorCommand(name: "breakpoints", arguments: "", summary: "what is set, by what means, and what it cost") {
            session, _ throws(Refusal) in session.describeBreakpoints()
        },
        MonitorCommand(
            name: "info mem", arguments: "",
            summary: "ranges that the selected vCPU's page tables map: START-END SIZE, user, read, write; END excluded"
        ) {
            session, _ throws(Refusal) in session.describeRegions()
        },
        MonitorCommand(
            name: "info tlb", arguments: "",
            summary: "each page: where it leads, rights (user, read, write, execute), global, accessed, dirty"
        ) { session, _ throws(Refusal) in session.describePages() },
        MonitorCommand(name: "gva2gpa", arguments: "ADDRESS", summary: "where a virtual address leads") {
            session, words throws(Refusal) in try session.translation(words)
        },
        MonitorCommand(
            name: "kaslr", arguments: "", summary: "where a Linux guest's kernel is, beside where it was linked"
        ) { session, _ throws(Refusal) in try session.describeSlide() },
        MonitorCommand(name: "xp", arguments: "[/FMT] ADDRESS", summary: "physical memory: xp/8xw 0x1000") {
            session, words throws(Refusal) in try session.dump(words)
        },
        MonitorCommand(name: "info mtree", arguments: "", summary: "where memory and devices are") {
            session, _ throws(Refusal) in session.target.report(.memoryMap)
        },
        MonitorCommand(name: "catch list", arguments: "", summary: "what is caught, and its numbers") {
            session, _ throws(Refusal) in session.listCatches()
        },
        MonitorCommand(
            name: "catch", arguments: CatchKind.usage,
            summary: "stop when the guest does that"
        ) { session, words throws(Refusal) in try session.addCatch(words) },
        MonitorCommand(name: "uncatch", arguments: "N", summary: "forget what catch list shows as N") {
            session, words throws(Refusal) in try session.removeCatch(words)
        },
        MonitorCommand(
            name: "capabilities", arguments: "",
            summary: "what this host's KVM really does, and what was chosen from it"
        ) { session, _ throws(Refusal) in session.target.report(.capabilities) },
        MonitorCommand(
            name: "reset", arguments: "", summary: "back to the kernel's first instruction, breakpoints kept"
        ) { session, _ throws(Refusal) in
            try session.reset()
            return "reset; gdb shows old registers until: maintenance flush register-cache"
        },
        MonitorCommand(name: "system_reset", arguments: "", summary: "reset", isAlias: true) {
            session, _ throws(Refusal) in
            try session.reset()
            return ""
        },
        MonitorCommand(name: "quit", arguments: "", summary: "end the machine and the server") {
            session, _ throws(Refusal) in
            session.make(.kill)
            return ""
        },
    ]

    private static func help(_ words: [Substring], in table: [MonitorCommand]) throws(Refusal) -> String {
        if !words.isEmpty {
            let command = try find(words, in: table).0
            return "\(command.usage): \(command.summary)"
        }
        let listed = table.filter { !$0.isAlias }
        // The longest form of all would push every summary out of sight.
        let width = 48
        return listed.map {
            $0.usage + String(repeating: " ", count: max(0, width - $0.usage.count)) + "  " + $0.summary
        }.joined(separator: "\n")
    }

    private var usage: String { arguments.isEmpty ? name : "\(name) \(arguments)" }
}

// What the commands print.
extension Session {
    fileprivate func why() -> String {
        if isDetached { return "the machine runs without a debugger; it pauses for each command" }
        return "vCPU \(stop.processor): \(stop.cause.name)" + (stop.explanation.map { "\n\($0)" } ?? "")
    }

    fileprivate func status() -> String {
        ([target.report(.machine)] + processors() + [why()]).joined(separator: "\n")
    }

    fileprivate func processors() -> [String] {
        (0..<processorCount).map { processor in
            let file = target.registers(of: processor, having: RegisterBlocks())
            let place = file.number(layout.registers[layout.programCounter])
            let mark = processor == stop.processor ? "*" : " "
            return "\(mark) vCPU \(processor): \(target.report(.processor(processor))), at \(hexadecimal(place))"
        }
    }

    /// The vCPU that a command's first word names, or the selected one.
    func processor(_ words: [Substring]) throws(Refusal) -> Int {
        guard let word = words.first else { return selected }
        guard let number = Int(word), (0..<processorCount).contains(number) else {
            throw Refusal("\(word) is no vCPU: they are 0 to \(processorCount - 1)")
        }
        return number
    }

    fileprivate func translation(_ words: [Substring]) throws(Refusal) -> String {
        guard let word = words.first else { throw Refusal("an address is missing") }
        let number = try monitorNumber(word)
        do throws(TranslationFault) {
            let found = try target.translate(VirtualAddress(number), on: selected)
            guard found.isPaged else { return "\(VirtualAddress(number)) -> \(found.physical), paging is off" }
            var flags = [
                found.isWritable ? "writable" : "read-only", found.isUser ? "user" : "kernel",
                found.isExecutable ? "executable" : "no-execute",
            ]
            if found.isGlobal { flags.append("global") }
            if found.isAccessed { flags.append("accessed") }
            if found.isDirty { flags.append("dirty") }
            return "\(VirtualAddress(number)) -> \(found.physical), \(found.pageSize >> 10) KiB page, "
                + flags.joined(separator: ", ")
        } catch {
            throw Refusal("\(error)")
        }
    }

    /// `xp/FMT ADDRESS`, the format having been split from the name.
    fileprivate func dump(_ words: [Substring]) throws(Refusal) -> String {
        let format = words.first?.first == "/" ? words[0].dropFirst() : ""
        guard let word = words.dropFirst(format.isEmpty ? 0 : 1).first else { throw Refusal("an address is missing") }
        return try PhysicalDump(format: format).text(of: target.memory, at: PhysicalAddress(try monitorNumber(word)))
    }
}
