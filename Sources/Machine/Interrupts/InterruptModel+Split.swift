import Host
import Interrupts
import KVM
import Primitives

// With the local APICs in the kernel (KVM_CAP_SPLIT_IRQCHIP): messages go there by KVM_SIGNAL_MSI, which returns whether
// a local APIC took them, as an irqfd would not. The level-triggered pins are KVM's routes of the same numbers as well: by them
// it knows which vectors' ends to report (KVM_EXIT_IOAPIC_EOI). Edge-triggered ones have none, since a change of the routes
// costs a grace period of the kernel's.
extension InterruptModel {
    /// Does the part of `outcome` that is for the kernel's local APICs. With the controllers locked, so that no end of an interrupt
    /// comes before its beginning is known.
    func dispatch(
        _ outcome: inout InterruptOutcome, of controller: inout PCInterruptController, at now: ModelTime
    ) {
        guard !controller.configuration.hasLocalAPICs else { return }
        if outcome.changesPins {
            route(controller)
            machine.follow(controller)
        }
        for outgoing in outcome.messages {
            let isAccepted = send(outgoing.message)
            controller.sent(outgoing, isAccepted: isAccepted, at: now)
            if isAccepted { outcome.isAccepted = true }
        }
    }

    /// Makes KVM's routes those of the level-triggered pins.
    func route(_ controller: PCInterruptController) {
        let wanted = controller.levelPins.map { pin, message in
            GSIRoute(UInt32(pin), to: .message(address: message.address, data: message.data))
        }
        routes.withLock { routes in
            guard routes != wanted else { return }
            do throws(KVMError) {
                try machine.vm.setRoutes(wanted)
                routes = wanted
            } catch {
                diagnose(.message, "level-triggered interrupts may hang: \(error)")
            }
        }
    }

    private func send(_ message: InterruptMessage) -> Bool {
        do throws(KVMError) {
            return try machine.vm.signal(address: message.address, data: message.data)
        } catch {
            diagnose(.message, "an interrupt is lost: \(error)")
            return false
        }
    }
}
