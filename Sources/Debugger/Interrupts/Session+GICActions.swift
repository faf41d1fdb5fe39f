import Interrupts
import Primitives

// Making interrupts by hand on a GIC.
extension Session {
    /// The words of a command on a GIC.
    struct GICWords {
        let words: InterruptWords
        /// `cpu C`, or the selected vCPU.
        let cpu: Int
        let interrupts: Int

        /// The first word as an interrupt's number.
        func id() throws(Refusal) -> Int {
            guard let word = words.words.first else {
                throw Refusal("which interrupt? They are 0 to \(interrupts - 1)")
            }
            let number = try monitorNumber(word)
            guard number < UInt64(interrupts) else {
                throw Refusal("\(word) is no interrupt: they are 0 to \(interrupts - 1)")
            }
            return Int(number)
        }

        func byte(at index: Int, _ what: String) throws(Refusal) -> UInt8 {
            guard words.words.indices.contains(index), let byte = UInt8(exactly: try monitorNumber(words.words[index]))
            else { throw Refusal("expected \(what)") }
            return byte
        }

        /// A bit for each of `count` processors.
        func mask(at index: Int, _ what: String, of count: Int) throws(Refusal) -> UInt64 {
            let bits = count > 8 ? 64 : 8
            let word = words.words.indices.contains(index) ? words.words[index] : ""
            guard !word.isEmpty, case let mask = try monitorNumber(word), mask <= UInt64.mask(bits) else {
                throw Refusal("expected \(what), \(bits) bits")
            }
            return mask
        }
    }

    func gicWords(_ words: [Substring], _ most: Int) throws(Refusal) -> GICWords {
        let parsed = try InterruptWords(words, processors: processorCount).limited(to: most)
        return GICWords(
            words: parsed, cpu: parsed.processor ?? selected, interrupts: target.traits.gicInterrupts ?? 0)
    }

    /// Asks the GIC what `body` makes of at most `most` words.
    func ask(
        _ words: [Substring], _ most: Int = 1, _ body: (GICWords) throws(Refusal) -> GICRequest
    ) throws(Refusal) -> String {
        try target.perform(try body(gicWords(words, most)))
    }

    func injectIntoGIC(_ words: [Substring]) throws(Refusal) -> String {
        try ask(words, 2) { words throws(Refusal) in
            let how: GICRequest.Injection?
            switch words.words.words.dropFirst().first {
            case nil: how = nil
            case "edge": how = .edge
            case "level": how = .level
            case "pulse": how = .pulse
            case let word?: throw Refusal("\(word): expected edge, level or pulse")
            }
            return .inject(try words.id(), cpu: words.cpu, how)
        }
    }

    /// `N from C to MASK | self | others`.
    func injectSoftwareInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        try ask(words, 5) { words throws(Refusal) in
            let all = words.words.words
            guard all.count == 5, all[1] == "from", all[3] == "to" else {
                throw Refusal("expected: inject-sgi N from C to MASK | self | others")
            }
            let id = try words.id()
            guard id < 16 else { throw Refusal("SGIs are 0 to 15") }
            let sender = try InterruptWords.processor(all[2], processorCount)
            let receiver: GICRequest.SoftwareTarget =
                switch all[4] {
                case "self": .itself
                case "others": .others
                default:
                    .mask(
                        try words.mask(
                            at: 4, "self, others or a mask of CPU interfaces", of: processorCount))
                }
            return .send(sgi: id, from: sender, to: receiver)
        }
    }
}
