import Architecture
import Primitives
import Testing

@testable import Debugger

@Suite("monitor commands")
struct MonitorTests {
    /// The commands that `words` may be short for, found the slow way: of all whose every word begins as typed, those
    /// of the most words; one that is spelled out beats the others.
    private func meant(_ words: [String], _ table: [MonitorCommand]) -> [String] {
        let matching = table.filter { command in
            let name = command.name.split(separator: " ").map(String.init)
            return name.count <= words.count && zip(name, words).allSatisfy { $0.hasPrefix($1) }
        }
        let longest = matching.map { $0.name.split(separator: " ").count }.max() ?? 0
        let best = matching.filter { $0.name.split(separator: " ").count == longest }
        if let exact = best.first(where: { $0.name == words.prefix(longest).joined(separator: " ") }) {
            return [exact.name]
        }
        let listed = best.filter { !$0.isAlias }
        return (listed.isEmpty ? best : listed).map(\.name)
    }

    /// The commands of each kind of machine: a PC's, and those with a GIC.
    private static let tables = [MonitorCommand.table, MonitorCommand.gicTable]

    /// Every way to shorten every word of every command.
    private func abbreviations(_ table: [MonitorCommand]) -> [[String]] {
        table.flatMap { command in
            command.name.split(separator: " ").reduce([[]]) { done, word in
                done.flatMap { start in (1...word.count).map { start + [String(word.prefix($0))] } }
            }
        }
    }

    private func found(_ words: [String], _ table: [MonitorCommand]) -> Result<String, Refusal> {
        do throws(Refusal) {
            return .success(try MonitorCommand.find(words.map { $0[...] }, in: table).0.name)
        } catch {
            return .failure(error)
        }
    }

    @Test(
        "a name is found in full and in every unique abbreviation; an ambiguous one says what it could be",
        arguments: tables.indices)
    func abbreviations(index: Int) {
        let table = Self.tables[index]
        let abbreviations = abbreviations(table)
        #expect(abbreviations.count > table.count)
        for words in abbreviations {
            let meant = meant(words, table)
            switch found(words, table) {
            case .success(let name): #expect([name] == meant, "\(words)")
            case .failure(let refusal):
                #expect(meant.count > 1, "\(words)")
                for name in meant { #expect(refusal.reason.contains(name), "\(words)") }
            }
        }
    }

    @Test("every command is found by its whole name, with what follows it", arguments: tables.indices)
    func wholeNames(index: Int) throws {
        for command in Self.tables[index] {
            let words = command.name.split(separator: " ")
            let (found, rest) = try MonitorCommand.find(words + ["7", "x"], in: Self.tables[index])
            #expect(found.name == command.name)
            #expect(rest == ["7", "x"])
        }
    }

    @Test("names are unique", arguments: tables.indices)
    func unique(index: Int) { #expect(Set(Self.tables[index].map(\.name)).count == Self.tables[index].count) }

    @Test("a machine with a GIC answers every interrupt command of a PC, if only with what it has instead")
    func everywhere() {
        let (pc, gic) = (Set(Self.tables[0].map(\.name)), Set(Self.tables[1].map(\.name)))
        #expect(pc.subtracting(gic).isEmpty)
        #expect(gic.subtracting(pc).isEmpty)
    }

    @Test("help lists every command on a line of its own; an empty line is help")
    func help() {
        let client = Conversation()
        let lines = client.monitor("help").split(separator: "\n")
        let listed = MonitorCommand.table.filter { !$0.isAlias }
        #expect(lines.count == listed.count)
        for command in listed {
            #expect(lines.contains { $0.hasPrefix(command.name) && $0.hasSuffix(command.summary) }, "\(command.name)")
        }
        #expect(client.monitor("") == client.monitor("help"))
        #expect(client.monitor("  ") == client.monitor("help"))
    }

    @Test("what takes nothing is not done with something behind it", arguments: ["reset 1", "quit now", "why not"])
    func superfluous(command: String) {
        let client = Conversation()
        #expect(client.monitor(command).hasPrefix("error: "))
        #expect(client.demands.isEmpty && client.target.resets == 0)
    }

    @Test("help on one command says what it does")
    func helpOnOne() {
        let client = Conversation()
        for command in MonitorCommand.table {
            #expect(client.monitor("help \(command.name)").contains(command.summary), "\(command.name)")
        }
    }

    @Test(
        "an unknown command is refused in words, and the packet is still answered OK",
        arguments: ["xyzzy", "help xyzzy", "info xyzzy"])
    func unknown(command: String) {
        let output = Conversation().monitor(command)
        #expect(output.hasPrefix("error: ") && output.contains("xyzzy") && output.contains("help"))
    }

    @Test("the beginning of a group names the group's commands")
    func group() {
        let output = Conversation().monitor("info")
        for command in MonitorCommand.table where command.name.hasPrefix("info ") && !command.isAlias {
            #expect(output.contains(command.name))
        }
    }

    @Test("status and info cpus show each vCPU and where it is")
    func status() {
        let target = SimulatedTarget(processors: 3)
        for processor in 0..<3 { target.set("rip", 0x1000 + UInt64(processor), of: processor) }
        let client = Conversation(target)
        _ = client.stop(StopEvent(.stepped, on: 1))
        let lines = client.monitor("info cpus").split(separator: "\n")
        #expect(lines.count == 3)
        for processor in 0..<3 {
            #expect(lines[processor].contains("vCPU \(processor): state of \(processor)"))
            #expect(lines[processor].contains("0x100\(processor)"))
            #expect(lines[processor].hasPrefix("*") == (processor == 1))
        }
        let status = client.monitor("status")
        #expect(status.contains("report on machine") && status.contains(lines[2]) && status.contains("step done"))
    }

    @Test("info registers shows every register of the vCPU that is named, or else selected")
    func registers() throws {
        let target = SimulatedTarget(processors: 2)
        target.set("rax", 0x1234_5678_9abc_def0, of: 1)
        let client = Conversation(target)
        let fields = client.monitor("info registers 1").split(whereSeparator: \.isWhitespace).map(String.init)
        for register in X86.layout64.registers {
            let place = try #require(fields.firstIndex(of: register.name), "\(register.name)")
            #expect(fields[place + 1].count == register.bits / 4, "\(register.name)")
        }
        #expect(fields[1] == "123456789abcdef0")
        #expect(!client.monitor("info registers").contains("123456789abcdef0"))
        #expect(client.ask("Hgp1.2") == "OK")
        #expect(client.monitor("info registers").contains("123456789abcdef0"))
        #expect(client.monitor("info registers 2") == "error: 2 is no vCPU: they are 0 to 1\n")
    }

    @Test("info registers keeps numbers in columns and shows what is wider on lines of its own")
    func columns() {
        let lines = Conversation().monitor("info registers").split(separator: "\n")
        let wide = X86.layout64.registers.filter { $0.bits > 64 }.map(\.name)
        for line in lines {
            let (text, words) = (Array(line), line.split(separator: " "))
            if wide.contains(String(words[0])) {
                #expect(words.count == 2)
                continue
            }
            for column in stride(from: 0, to: text.count, by: 30) {
                #expect(text[column].isLetter && (column == 0 || text[column - 1] == " "), "\(line)")
            }
        }
        #expect(lines.suffix(wide.count).map { $0.prefix { $0 != " " } } == wide.map { $0[...] })
    }

    @Test("info registers takes a kind of register, short too, beside or without the vCPU's number")
    func kinds() {
        let client = Conversation(SimulatedTarget(processors: 2))
        client.target.set("rax", 0x1234_5678_9abc_def0, of: 1)
        func names(_ command: String) -> Set<Substring> {
            Set(
                client.monitor(command).split(whereSeparator: \.isWhitespace).enumerated().filter { $0.0 % 2 == 0 }.map(
                    \.1))
        }
        let all = names("info registers")
        let kinds = ["general", "system", "float", "vector"].map { names("info registers \($0)") }
        #expect(kinds.reduce(Set()) { $0.union($1) } == all)
        #expect(kinds.map(\.count).reduce(0, +) == all.count)
        #expect(kinds[0].contains("rax") && kinds[1].contains("cr3") && kinds[2].contains("st0"))
        #expect(kinds[3].contains("mxcsr"))
        #expect(client.monitor("info registers 1 gen").contains("123456789abcdef0"))
        #expect(client.monitor("info registers odd").hasPrefix("error: odd is no kind"))
    }

    @Test("msr read and write take a number or a name, and refuse in words")
    func modelSpecific() {
        let client = Conversation()
        client.target.modelSpecific = [0xc000_0080: 0xd01, 0x10: 5]
        #expect(client.monitor("msr read efer") == "MSR 0xc0000080 EFER: 0x0000000000000d01\n")
        #expect(client.monitor("msr read 0x10").hasSuffix("0x0000000000000005\n"))
        #expect(client.monitor("msr write 16 0x77").hasSuffix("0x0000000000000077\n"))
        #expect(client.target.modelSpecific[0x10] == 0x77)
        #expect(client.monitor("msr write tsc 0x1000000000000") == "error: not accepted\n")
        #expect(client.monitor("msr read 0x11") == "error: no such register\n")
        #expect(client.monitor("msr read 0x100000000").contains("32 bits"))
        #expect(client.monitor("msr read xyzzy").contains("LSTAR"))
        for wrong in ["msr read", "msr read 1 2", "msr write 1", "msr write 1 2 3"] {
            #expect(client.monitor(wrong).hasPrefix("error: expected"))
        }
    }

    @Test("gva2gpa walks the page tables, and says where it leads or why not")
    func translation() {
        let target = SimulatedTarget()
        target.pages = [0xffff_8000_0000_1000: 0x5000]
        let client = Conversation(target)
        #expect(client.monitor("gva2gpa 0xffff800000001234").contains("0x5234"))
        #expect(client.monitor("gva2gpa ffff800000001234").contains("0x5234"))
        #expect(client.monitor("gva2gpa 0x9000").hasPrefix("error: 0x9000 is not mapped"))
        #expect(client.monitor("gva2gpa").hasPrefix("error: "))
        #expect(client.monitor("gva2gpa 0xzz").hasPrefix("error: "))
    }

    @Test("breakpoints lists what is set and how")
    func breakpoints() {
        let client = Conversation()
        #expect(client.monitor("breakpoints") == "none\n")
        for packet in ["Z0,10,1", "Z1,20,1", "Z2,30,4", "Z3,40,4", "Z4,50,8"] { #expect(client.ask(packet) == "OK") }
        let lines = client.monitor("breakpoints").split(separator: "\n")
        #expect(lines.count == 5)
        for (line, text) in zip(lines, ["0x10", "0x20", "0x30", "0x40", "0x50"]) { #expect(line.contains(text)) }
        #expect(lines[0].contains("planted") && lines[2].contains("write") && lines[3].contains("read"))
    }

    @Test("quit ends the machine after its OK")
    func quit() {
        let client = Conversation()
        #expect(client.replies("qRcmd," + hex("quit")) == ["OK"])
        #expect(client.demands == [.kill])
    }

    @Test("a command that is no hexadecimal is malformed")
    func malformed() { #expect(Conversation().ask("qRcmd,6") == "E01") }

    @Test("a command that is no text is refused like any other")
    func bytes() {
        let replies = Conversation().replies("qRcmd,fffe2031")
        #expect(replies.count == 2 && replies.last == "OK")
        #expect(text(hex: replies[0].dropFirst())?.hasPrefix("error: ") == true)
    }
}
