import Debugger
import Primitives

// Device memory as a debugger reads it: the interrupt controllers answer with what a vCPU would read, and nothing
// happens to them, since a copy is asked. Other devices of this machine have ports only.
extension VirtualMachine {
    package func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        switch architecture {
        case .x86_64: try inspectX86(address, count: count, by: processor)
        case .arm64: try inspectArm(address, count: count, by: processor)
        }
    }

    private func inspectX86(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        if let bytes = try interruptController.inspect(address, count: count, by: processor) { return bytes }
        throw Refusal("physical \(address) is neither memory nor a device that can be read without side effects")
    }
}
