// What becomes of an exception raised while another is being delivered: Intel SDM volume 3, section 6.15, "Interrupt 8",
// table 6-5.

extension ExceptionVector {
    /// The processor's way out of two exceptions at once.
    package enum Combination: Sendable {
        /// One after the other.
        case handleSerially
        case doubleFault
        /// The processor shuts down.
        case tripleFault
    }

    /// What happens when delivering `first` raises `second`.
    package static func combine(_ first: Self, _ second: Self) -> Combination {
        switch (first.severity, second.severity) {
        case (.benign, _), (_, .benign): .handleSerially
        case (.contributory, .contributory): .doubleFault
        case (.contributory, .pageFault): .handleSerially
        case (.pageFault, .contributory), (.pageFault, .pageFault): .doubleFault
        case (.doubleFault, _): .tripleFault
        // No exception raises #DF itself; the processor makes it by this very rule.
        case (_, .doubleFault): .doubleFault
        }
    }
}
