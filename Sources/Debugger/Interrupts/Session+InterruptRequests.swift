import Interrupts
import Primitives

// Requests to the interrupt controllers.
extension Session {
    /// Whether the controllers are a GIC and not a PC's.
    var hasGIC: Bool { target.traits.gicInterrupts != nil }

    /// Makes the request that `body` reads from at most `count` words.
    func request(
        _ words: [Substring], _ count: Int = 1, _ body: (InterruptWords) throws(Refusal) -> InterruptRequest
    ) throws(Refusal) -> String {
        try target.perform(try body(InterruptWords(words, self, atMost: count)))
    }

    func injectInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        try request(words, 2) { words throws(Refusal) in
            let how: InterruptRequest.Injection? =
                switch words.words.dropFirst().first {
                case nil: nil
                case "edge": .edge
                case "level": .level
                case "pulse": .pulse
                case let word?: throw Refusal("\(word): expected edge, level or pulse")
                }
            return .inject(try words.input(), cpu: words.cpu, how)
        }
    }

    func routeInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        if hasGIC {
            return try request(words, 2) { words throws(Refusal) in
                .route(try words.input(), to: try words.mask(at: 1, "a mask of CPU interfaces"))
            }
        }
        return try request(words, .max) { words throws(Refusal) in
            let line = try words.input()
            guard words.words.count == 2, let destination = UInt8(exactly: try monitorNumber(words.words[1])) else {
                throw Refusal("expected: irq route N DESTINATION, an 8-bit APIC id or logical mask")
            }
            return .route(line, to: UInt64(destination))
        }
    }

    /// `VECTOR to C | all | others`.
    func injectIPI(_ words: [Substring]) throws(Refusal) -> String {
        try request(words, .max) { words throws(Refusal) in
            let vector = try words.vector()
            guard words.words.count == 3, words.words[1] == "to" else {
                throw Refusal("expected: inject-ipi VECTOR to C | all | others")
            }
            let targets: [Int] =
                switch words.words[2] {
                case "all": Array(0..<processorCount)
                case "others": (0..<processorCount).filter { $0 != selected }
                case let word: [try words.number(ofProcessor: word)]
                }
            return .interprocessor(vector, to: targets)
        }
    }

    /// `N from C to MASK | self | others`.
    func injectSGI(_ words: [Substring]) throws(Refusal) -> String {
        try request(words, 5) { words throws(Refusal) in
            let all = words.words
            guard all.count == 5, all[1] == "from", all[3] == "to" else {
                throw Refusal("expected: inject-sgi N from C to MASK | self | others")
            }
            let id = try words.input()
            guard id < 16 else { throw Refusal("SGIs are 0 to 15") }
            let sender = try words.number(ofProcessor: all[2])
            let receivers: InterruptRequest.SoftwareTarget =
                switch all[4] {
                case "self": .itself
                case "others": .others
                default: .mask(try words.mask(at: 4, "self, others or a mask of CPU interfaces"))
                }
            return .send(sgi: id, from: sender, to: receivers)
        }
    }

    func injectMessage(_ words: [Substring]) throws(Refusal) -> String {
        guard words.count == 2, let data = UInt32(exactly: try monitorNumber(words[1])) else {
            throw Refusal("expected: inject-msi ADDRESS DATA, data of 32 bits")
        }
        guard let message = InterruptMessage(address: try monitorNumber(words[0]), data: data) else {
            throw Refusal("\(words[0]) means no interrupt: those are 0xfee00000 to 0xfeefffff")
        }
        return try target.perform(.message(message))
    }

    func injectNonMaskable(_ words: [Substring]) throws(Refusal) -> String {
        guard words.count <= 1 else { throw Refusal("expected: inject-nmi [C | all]") }
        if words.first == "all" { return try target.perform(.nonMaskable(Array(0..<processorCount))) }
        return try target.perform(.nonMaskable([try processor(words)]))
    }

    func breakOnInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        guard words.count == 3, words[1] == "on" else { throw Refusal("expected: irq break N on pend|deliver|ack|eoi") }
        return try addCatch(["irq", words[0], words[2]])
    }
}
