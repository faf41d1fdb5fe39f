import Architecture
import Debugger
import KVM
import Primitives

// What a triple fault is on x86: an exception whose handler cannot be fetched. On arm64 the processor does not shut down,
// but takes the fetch's own exception at the same place, for ever, and KVM tells nobody.
extension Processor {
    private static let ownVector = Arm64ExceptionVector(.synchronous, from: .ownStack)

    /// The stop if it does that. On its own thread, after it was called; what it costs where it does not is one request.
    func armExceptionLoop() throws(KVMError) -> StopEvent? {
        let place = try soleProgramCounter()
        guard place.rawValue & 0x7ff == Self.ownVector.offset else { return nil }
        try fetchRegisters()
        fetch([.control])
        let base = Arm64.vectorBase(registers)
        guard Arm64ExceptionVector(at: place, base: base) == Self.ownVector, !canFetch(at: place) else { return nil }
        var text = "vCPU \(index) takes exceptions without end: no instruction can be fetched at \(place), "
        text += "its vector for them (VBAR_EL1 \(base)): \(Arm64.syndrome(registers)). "
        text += "monitor catch exception all stops at the first"
        return StopEvent(.exceptionLoop, on: index, explanation: text)
    }

    /// Whether the tables lead to memory that may be executed.
    private func canFetch(at place: VirtualAddress) -> Bool {
        let page = try? machine.architecture.paging(registers).translate(place, in: machine.guestMemory)
        guard let page, page.isExecutable else { return false }
        return machine.guestMemory.contains(page.physical, count: Arm64Instruction.length)
    }
}
