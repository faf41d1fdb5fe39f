/// When something happens to an interrupt controller: its only clock, passed in with each call.
package struct ModelTime: Hashable, Sendable {
    /// Nanoseconds on a clock that never goes back; its zero is the caller's choice.
    package var nanoseconds: UInt64
    /// The time stamp counter of the processor concerned, as its guest reads it.
    package var timeStamp: UInt64
    /// Where that processor executes, for the record; 0 where there is none or it is unknown.
    package var programCounter: UInt64

    package init(nanoseconds: UInt64, timeStamp: UInt64 = 0, programCounter: UInt64 = 0) {
        self.nanoseconds = nanoseconds
        self.timeStamp = timeStamp
        self.programCounter = programCounter
    }
}

/// `value * multiplier / divisor`, without losing the high half between. All ones where the result needs more bits.
func scale(_ value: UInt64, by multiplier: UInt64, over divisor: UInt64, roundingUp: Bool = false) -> UInt64 {
    let product = value.multipliedFullWidth(by: multiplier)
    guard product.high < divisor else { return .max }
    let (quotient, remainder) = divisor.dividingFullWidth(product)
    return roundingUp && remainder != 0 ? quotient &+ 1 : quotient
}
