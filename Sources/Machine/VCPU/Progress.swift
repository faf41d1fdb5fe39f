import Architecture
import KVM

// Whether a vCPU got somewhere since it was set going: else it goes first the next time (see Gate).
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

    private var generalRegisters: [UInt8] {
        switch machine.architecture {
        case .x86_64: Array(registers.storage[X86.Storage.general..<X86.Storage.system])
        case .arm64: Array(registers.storage[Arm64.Storage.general..<Arm64.Storage.vectors])
        }
    }
}
