import Architecture
import Debugger
import KVM
import Primitives

extension Processor {
    /// The stop at a BIOS call: which one, and where it came from. The guest goes on behind the call.
    func biosCall() throws(KVMError) -> StopEvent {
        try fetchRegisters()
        let call = X86BIOSCall(registers)
        let offset = machine.guestMemory.load(call.frame, size: 2)
        let segment = machine.guestMemory.load(call.frame + 2, size: 2)
        let place = "\(String(segment, radix: 16)):\(String(offset, radix: 16))"
        return StopEvent(.biosCall, on: index, explanation: "vCPU \(index): \(call); it returns to \(place)")
    }
}
