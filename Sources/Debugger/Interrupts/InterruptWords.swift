import Interrupts
import Primitives

/// The words of an interrupt command, its options taken out. Numbers are read as the machine's controllers have them: a
/// PC's inputs, or a GIC's interrupts.
struct InterruptWords {
    private(set) var words: [Substring] = []
    private(set) var isJSON = false
    /// What follows `cpu`.
    private(set) var processor: Int?
    /// `cpu C`, or the selected vCPU.
    var cpu: Int { processor ?? selected }

    private let processors: Int
    private let selected: Int
    /// How many interrupts a GIC has; nil on a PC.
    private let gicInterrupts: Int?

    /// At most `count` words beside the options.
    init(_ all: [Substring], _ session: Session, atMost count: Int = .max) throws(Refusal) {
        processors = session.processorCount
        selected = session.selected
        gicInterrupts = session.target.traits.gicInterrupts
        var rest = all[...]
        while let word = rest.popFirst() {
            switch word {
            case "--json": isJSON = true
            case "cpu":
                guard let next = rest.popFirst() else { throw Refusal("which cpu?") }
                processor = try number(ofProcessor: next)
            default: words.append(word)
            }
        }
        try limit(to: count)
    }

    func limit(to count: Int) throws(Refusal) {
        guard words.count <= count else { throw Refusal("\(words[count]) is too much") }
    }

    func number(ofProcessor word: Substring) throws(Refusal) -> Int {
        guard let number = Int(word), (0..<processors).contains(number) else {
            throw Refusal("\(word) is no vCPU: they are 0 to \(processors - 1)")
        }
        return number
    }

    /// The first word as an interrupt's number.
    func id() throws(Refusal) -> Int {
        guard let word = words.first else {
            throw Refusal(
                gicInterrupts.map { "which interrupt? They are 0 to \($0 - 1)" } ?? "which interrupt? GSIs are 0 to 23")
        }
        let number = try monitorNumber(word)
        guard number < UInt64(gicInterrupts ?? PCInterruptController.lines.upperBound) else {
            throw Refusal(
                gicInterrupts.map { "\(word) is no interrupt: they are 0 to \($0 - 1)" }
                    ?? "\(word) is no GSI: they are 0 to 23; inject-vector takes vectors")
        }
        return Int(number)
    }

    /// The same for a request. A PC's inputs are no processor's.
    func input() throws(Refusal) -> Int {
        guard processor == nil || gicInterrupts != nil else {
            throw Refusal("an input goes where its pin sends it: irq route N DESTINATION")
        }
        return try id()
    }

    /// The word at `index` as a vector.
    func vector(at index: Int = 0) throws(Refusal) -> UInt8 {
        guard words.indices.contains(index) else { throw Refusal("which vector?") }
        guard let vector = UInt8(exactly: try monitorNumber(words[index])), vector >= 16 else {
            throw Refusal("\(words[index]) is no interrupt vector: they are 16 to 255")
        }
        return vector
    }

    func byte(at index: Int, _ what: String) throws(Refusal) -> UInt8 {
        guard words.indices.contains(index), let byte = UInt8(exactly: try monitorNumber(words[index])) else {
            throw Refusal("expected \(what)")
        }
        return byte
    }

    /// A bit for each processor.
    func mask(at index: Int, _ what: String) throws(Refusal) -> UInt64 {
        let bits = processors > 8 ? 64 : 8
        let word = words.indices.contains(index) ? words[index] : ""
        guard !word.isEmpty, case let mask = try monitorNumber(word), mask <= UInt64.mask(bits) else {
            throw Refusal("expected \(what), \(bits) bits")
        }
        return mask
    }
}
