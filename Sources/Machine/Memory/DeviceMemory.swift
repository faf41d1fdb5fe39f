import Debugger
import Interrupts
import Primitives

// Device memory as a debugger reads it: the interrupt controllers answer with what a vCPU would read, and nothing
// happens to them, since a copy is asked. Other devices of this machine have ports only.
extension VirtualMachine {
    private static let pageSize = 0x1000

    package func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        switch architecture {
        case .x86_64: try inspectX86(address, count: count, by: processor)
        case .arm64: try inspectArm(address, count: count, by: processor)
        }
    }

    private func inspectX86(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        if let board = model?.look({ $0.gic }) {
            return try inspect(board.gic, board.configuration.placement, address, count: count, by: processor)
        }
        let view = try interrupts()
        guard view.controllers.claims(address, processor) else {
            throw Refusal("physical \(address) is neither memory nor a device")
        }
        let offset = Int(address.rawValue % UInt64(Self.pageSize))
        let bytes = view.controllers.inspect(address + -offset, processor, local: view.locals[processor])
        return Array(bytes[offset...].prefix(count))
    }
}
