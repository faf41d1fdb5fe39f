import Architecture
import Interrupts
import Primitives

/// Something that is to stop the machine by itself: `monitor catch`.
package struct Catch: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case ports(ClosedRange<UInt16>)
        /// Memory-mapped devices, and addresses where nothing is. RAM is never caught: see watchpoints.
        case memory(ClosedRange<PhysicalAddress>)
        /// x86: exceptions of these vectors, before their handlers run.
        case exceptions(Set<UInt8>)
        /// arm64: exceptions that EL1 takes, by their class in ESR_EL1, before their handlers run.
        case exceptionClasses(Set<Arm64ExceptionClass>)
        /// Reads and writes of a model-specific register, by its index.
        case register(UInt32)
        /// A processor that goes to sleep, by HLT or WFI.
        case halt
        /// An event of an interrupt; `.deliver` stops on its handler's first instruction.
        case interrupt(Int, InterruptEvent.Kind)
    }

    /// What `uncatch` names it by.
    package let number: Int
    package let kind: Kind

    /// Reads what follows `catch`, for guests of `architecture`.
    init(number: Int, _ words: [Substring], _ architecture: Architecture) throws(Refusal) {
        let usage = CatchKind.usage
        guard let name = words.first else { throw Refusal("expected: catch \(usage)") }
        guard let row = CatchKind.table.first(where: { $0.name == name }) else {
            throw Refusal("\(name) cannot be caught; expected: catch \(usage)")
        }
        guard row.counts.contains(words.count - 1) else { throw Refusal("expected: catch \(row.usage)") }
        self.number = number
        kind = try row.parse(Array(words.dropFirst()), architecture)
    }
}

/// A kind of thing that can be caught: its word, what follows it, and how that is read.
struct CatchKind: Sendable {
    let name: String
    let argument: String
    /// How many words `argument` stands for.
    let counts: ClosedRange<Int>
    let parse: @Sendable ([Substring], Architecture) throws(Refusal) -> Catch.Kind

    var usage: String { argument.isEmpty ? name : "\(name) \(argument)" }

    static var usage: String { table.map(\.usage).joined(separator: " | ") }

    static let table: [CatchKind] = [
        CatchKind(name: "io", argument: "PORT[-PORT]", counts: 1...1) { words, _ throws(Refusal) in
            let (low, high) = try range(words[0])
            guard high <= 0xffff else { throw Refusal("\(words[0]): ports end at 0xffff") }
            return .ports(UInt16(low)...UInt16(high))
        },
        CatchKind(name: "mmio", argument: "ADDRESS[-ADDRESS]", counts: 1...1) { words, _ throws(Refusal) in
            let (low, high) = try range(words[0])
            return .memory(PhysicalAddress(low)...PhysicalAddress(high))
        },
        CatchKind(name: "exception", argument: "VECTOR|NAME|all", counts: 1...1) {
            words, architecture throws(Refusal) in
            switch architecture {
            case .x86_64: .exceptions(try vectors(words[0]))
            case .arm64: .exceptionClasses(try classes(words[0]))
            }
        },
        CatchKind(name: "msr", argument: "INDEX", counts: 1...1) { words, _ throws(Refusal) in
            guard let index = UInt32(exactly: try monitorNumber(words[0])) else {
                throw Refusal("\(words[0]): an MSR's index has 32 bits")
            }
            return .register(index)
        },
        CatchKind(name: "hlt", argument: "", counts: 0...0) { _, _ throws(Refusal) in .halt },
        CatchKind(name: "wfi", argument: "", counts: 0...0) { _, _ throws(Refusal) in .halt },
        CatchKind(name: "irq", argument: "N [pend|deliver|ack|eoi]", counts: 1...2) { words, _ throws(Refusal) in
            let line = try monitorNumber(words[0])
            let name = words.count == 2 ? words[1] : "deliver"
            guard let kind = events.first(where: { $0.name == name })?.kind else {
                throw Refusal("\(name): expected pend, deliver, ack or eoi")
            }
            return .interrupt(Int(clamping: line), kind)
        },
    ]

    /// The events of an interrupt, by what `irq break` calls them. It is delivered, for a debugger, when its handler
    /// begins. An APIC's interrupt is acknowledged then, too; a GIC's when the handler reads GICC_IAR.
    private static let events: [(name: String, kind: InterruptEvent.Kind)] = [
        ("pend", .pend), ("deliver", .deliver), ("ack", .acknowledge), ("eoi", .endOfInterrupt),
    ]

    private static func range(_ word: Substring) throws(Refusal) -> (UInt64, UInt64) {
        let ends = word.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let low = try monitorNumber(ends[0])
        let high = ends.count == 2 ? try monitorNumber(ends[1]) : low
        guard low <= high else { throw Refusal("\(word) ends before it begins") }
        return (low, high)
    }

    /// A number, "#PF", "pf", "page-fault" or "all".
    private static func vectors(_ word: Substring) throws(Refusal) -> Set<UInt8> {
        if word == "all" { return ExceptionVector.exceptions }
        let name = word.lowercased()
        let named =
            ExceptionVector(mnemonic: name)
            ?? ExceptionVector.table.first { $0.name.lowercased().split(separator: " ").joined(separator: "-") == name }
            .map { ExceptionVector($0.vector) }
        if let named, ExceptionVector.exceptions.contains(named.rawValue) { return [named.rawValue] }
        guard let number = try? monitorNumber(word), number < 32, let vector = UInt8(exactly: number),
            ExceptionVector.exceptions.contains(vector)
        else {
            let names = ExceptionVector.table.filter { $0.kind != .interrupt }.map(\.mnemonic)
            throw Refusal("\(word) is no exception: there are \(names.joined(separator: ", ")), and all")
        }
        return [vector]
    }

    /// A number in ESR_EL1.EC, "data-abort", which stands for those from EL0 as well, or "all": SError has vectors of its
    /// own, for which a processor may have no registers left, and is caught by its name only.
    private static func classes(_ word: Substring) throws(Refusal) -> Set<Arm64ExceptionClass> {
        if word == "all" { return Arm64ExceptionClass.synchronous }
        let named = Arm64ExceptionClass.taken.filter { $0.word == word.lowercased() }
        if !named.isEmpty { return Set(named) }
        let number = (try? monitorNumber(word)).flatMap { UInt8(exactly: $0) }.map(Arm64ExceptionClass.init)
        guard let number, Arm64ExceptionClass.taken.contains(number) else {
            var words: [String] = []
            for row in Arm64ExceptionClass.taken where !words.contains(row.word) { words.append(row.word) }
            throw Refusal("\(word) is no exception: there are \(words.joined(separator: ", ")), and all")
        }
        return [number]
    }
}

extension Catch: CustomStringConvertible {
    package var description: String { "\(number): \(what)" }

    private var what: String {
        switch kind {
        case .ports(let range): "ports \(hexadecimal(range.lowerBound))-\(hexadecimal(range.upperBound))"
        case .memory(let range): "device memory \(range.lowerBound)-\(range.upperBound)"
        case .exceptions(ExceptionVector.exceptions): "every exception"
        case .exceptions(let vectors):
            "exception " + vectors.sorted().map { "\(ExceptionVector($0))" }.joined(separator: ", ")
        case .exceptionClasses(Arm64ExceptionClass.synchronous): "every synchronous exception"
        case .exceptionClasses(let classes):
            "exception " + classes.sorted { $0.rawValue < $1.rawValue }.map(\.name).joined(separator: ", ")
        case .register(let index): "MSR \(hexadecimal(index))"
        case .halt: "HLT or WFI"
        case .interrupt(let line, .deliver): "interrupt \(line), on its handler's first instruction"
        case .interrupt(let line, let kind): "interrupt \(line), \(kind.name)"
        }
    }
}

/// A number as the monitor takes it: hexadecimal with `0x`, or where it is no decimal one; else decimal.
func monitorNumber(_ text: some StringProtocol) throws(Refusal) -> UInt64 {
    let isHexadecimal = text.hasPrefix("0x") || text.hasPrefix("0X")
    let number = isHexadecimal ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text) ?? UInt64(text, radix: 16)
    guard let number else {
        throw Refusal("\"\(text)\" is no number; hexadecimal ones begin with 0x")
    }
    return number
}

/// What is caught, in the order of numbers.
struct CatchTable {
    var all: [Catch] = []
    /// The highest number that one has had: none is used again.
    var lastNumber = 0
}

extension Session {
    func addCatch(_ words: [Substring]) throws(Refusal) -> String {
        let new = try Catch(number: catches.lastNumber + 1, words, target.traits.layout.architecture)
        if case .interrupt(let line, _) = new.kind { try checkLine(line) }
        catches.all.append(new)
        do throws(Refusal) { try target.arrange(arrangement()) } catch {
            catches.all.removeLast()
            throw error
        }
        catches.lastNumber += 1
        return "\(new)"
    }

    /// Refuses an interrupt that the machine's controllers do not have.
    private func checkLine(_ line: Int) throws(Refusal) {
        if let count = target.traits.gicInterrupts {
            guard line < count else { throw Refusal("\(line) is no interrupt: they are 0 to \(count - 1)") }
        } else if !PCInterruptController.lines.contains(line) {
            throw Refusal("\(line) is no GSI: they are 0 to 23")
        }
    }

    func removeCatch(_ words: [Substring]) throws(Refusal) -> String {
        guard let word = words.first else { throw Refusal("which one? monitor catch list has the numbers") }
        let number = try monitorNumber(word)
        guard let index = catches.all.firstIndex(where: { $0.number == Int(clamping: number) }) else {
            throw Refusal("nothing is caught by the number \(number)")
        }
        catches.all.remove(at: index)
        rearrange()
        return ""
    }

    func listCatches() -> String {
        catches.all.isEmpty ? "nothing is caught" : catches.all.map(\.description).joined(separator: "\n")
    }
}
