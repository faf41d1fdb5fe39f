import Devices
import KVM
import Primitives

// The devices of an arm64 machine: so far what a PL011 needs to print (Arm DDI 0183).
extension VirtualMachine {
    private enum Register {
        static let data: UInt64 = 0x00
        static let flags: UInt64 = 0x18
        /// RXFE and TXFE: both FIFOs are empty.
        static let empty: UInt64 = 0x90
    }

    func readArmDevice(_ address: PhysicalAddress, size: Int) -> Access {
        guard let offset = consoleRegister(address) else { return Access(value: .mask(size * 8), isClaimed: false) }
        return Access(value: offset == Register.flags ? Register.empty : 0)
    }

    func writeArmDevice(_ address: PhysicalAddress, _ value: UInt64, size: Int) -> Access {
        guard let offset = consoleRegister(address) else { return Access(isClaimed: false) }
        return Access(effect: offset == Register.data ? .output(UInt8(truncatingIfNeeded: value)) : nil)
    }

    private func consoleRegister(_ address: PhysicalAddress) -> UInt64? {
        let offset = address.rawValue &- ArmBoard.console.rawValue
        return offset < ArmBoard.consoleSize ? offset : nil
    }
}
