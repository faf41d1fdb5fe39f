import Architecture
import Debugger
import KVM
import Primitives

// `monitor catch hlt` on arm64. KVM reports no WFI: a vCPU that is called wakes, and is behind it.
extension Processor {
    /// One request for each look leaves the guest the time to get there: the page tables are taken to be the last stop's,
    /// until it is at the same address twice.
    func caughtHaltArm() throws(KVMError) -> StopEvent? {
        let address = try soleProgramCounter()
        let isThereAgain = address == loop.lastHalt
        loop.lastHalt = isThereAgain ? nil : address
        guard isThereAgain || isBehindWait(address) else { return nil }
        try fetchRegisters()
        return isBehindWait(address) ? haltEvent : nil
    }

    private func isBehindWait(_ address: VirtualAddress) -> Bool {
        let length = Arm64Instruction.length
        let bytes = machine.instruction(at: address + -length, count: length, seenBy: self)
        return Arm64Instruction(bytes) == .waitForInterrupt
    }
}
