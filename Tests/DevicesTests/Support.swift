import Devices

let epoch = WallTime(0)

extension UART16550 {
    mutating func get(_ register: Int) -> UInt8 { read(register, now: epoch) }
    @discardableResult
    mutating func put(_ value: UInt8, _ register: Int) -> WriteResponse { write(value, to: register, now: epoch) }
}
