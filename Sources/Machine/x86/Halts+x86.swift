import Architecture
import Debugger
import KVM
import Primitives

// `monitor catch hlt` on x86.
extension Processor {
    /// The stop where the kernel puts the vCPU to sleep itself: on its own thread, after it was called. A sleep that ends
    /// between two looks is not seen.
    func caughtHaltX86() throws(KVMError) -> StopEvent? {
        guard try activity() == .halted else {
            loop.lastHalt = nil
            return nil
        }
        try fetchRegisters()
        guard programCounter != loop.lastHalt else { return nil }
        loop.lastHalt = programCounter
        return haltEvent
    }
}
