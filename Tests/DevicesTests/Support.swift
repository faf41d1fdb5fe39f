import Devices

let epoch = WallTime(0)

/// A small seeded generator: the same numbers on every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

extension UART16550 {
    mutating func get(_ register: Int) -> UInt8 { read(register, now: epoch) }
    @discardableResult
    mutating func put(_ value: UInt8, _ register: Int) -> WriteResponse { write(value, to: register, now: epoch) }
}
