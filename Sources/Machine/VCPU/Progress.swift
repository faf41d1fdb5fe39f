import Architecture
import KVM

// Whether a vCPU got somewhere since it was resumed: else it goes first the next time (see Gate).
extension Processor {
    func noteDeparture() {
        guard machine.processors.count > 1 else { return }
        loop.startRegisters = generalRegisters
    }

    /// Whether it executed something; one that sleeps, or cannot be asked, counts as if it had.
    var hasGotSomewhere: Bool {
        guard machine.processors.count > 1, loop.startRegisters == generalRegisters else { return true }
        return (try? activity()) != .runnable
    }

    private var generalRegisters: [UInt8] { Array(registers.storage[machine.architecture.generalStorage]) }
}
