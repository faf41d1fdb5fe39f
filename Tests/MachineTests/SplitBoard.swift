import Interrupts
import KVM
import Primitives

@testable import Machine

/// The split machine: the kernel's local APIC, and the model's I/O APIC with what a machine does for it.
final class SplitBoard {
    let kernel: KernelBoard
    private(set) var model: PCInterruptController
    private let now = ModelTime(nanoseconds: 0)

    init() throws {
        kernel = try KernelBoard(.split)
        var configuration = PCInterruptController.Configuration()
        configuration.hasLocalAPICs = false
        configuration.timerPin = 0
        model = PCInterruptController(configuration)
        kernel.answer = { [unowned self] in try answer($0) }
    }

    func setLine(_ line: Int, _ level: Bool) throws { try dispatch(model.setLine(line, level, at: now)) }

    private func answer(_ exit: Exit) throws -> Bool {
        switch exit {
        case .mmioWrite(let address, let data, let size):
            guard let outcome = model.writeMemory(data, address, size: size, 0, at: now) else { return false }
            try dispatch(outcome)
        case .endOfInterrupt(let vector): try dispatch(model.endOfInterrupt(vector, 0, at: now))
        default: return false
        }
        return true
    }

    private func dispatch(_ outcome: InterruptOutcome) throws {
        if outcome.changesPins {
            try kernel.vm.setRoutes(
                model.levelPins.map {
                    GSIRoute(UInt32($0.pin), to: .message(address: $0.message.address, data: $0.message.data))
                })
        }
        for outgoing in outcome.messages {
            let message = outgoing.message
            let isAccepted = try kernel.vm.signal(address: message.address, data: message.data)
            model.sent(outgoing, isAccepted: isAccepted, at: now)
        }
    }
}
