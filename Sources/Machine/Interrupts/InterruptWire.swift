import Host
import KVM
import Primitives
import Synchronization

/// The line of the board's UART into the kernel's GIC. It rises through an irqfd; it falls when the guest ends the
/// interrupt, which the kernel reports, or before that when the device lowers it (Documentation/virt/kvm/api.rst,
/// KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE).
///
/// The kernel may raise its input some time after the irqfd was written, and so after the device has let go already. A
/// guest that takes it as a level ends that interrupt without having found a cause, and the input is down again; one
/// that takes edges had its edge.
final class InterruptWire: Sendable {
    private let event: InterruptEventDescriptor
    private let quitting: EventDescriptor
    /// Whether the kernel's input was driven high and not let go since.
    private let isUp = Mutex(false)
    /// The debugger holds it up, whatever the device does.
    private let isHeld = Atomic<Bool>(false)
    private unowned let machine: VirtualMachine

    /// The GIC's numbers of shared interrupts begin at 32, those of KVM's routes at 0.
    private static let number = ArmBoard.uartInterrupt - ArmBoard.firstShared

    /// Once the GIC is initialised. The machine's routes are replaced: this is the only one.
    init(of machine: VirtualMachine) throws(KVMError) {
        self.machine = machine
        do throws(Errno) { quitting = try EventDescriptor() } catch {
            throw KVMError(request: "eventfd", errno: error)
        }
        try machine.vm.setRoutes([GSIRoute(Self.number, to: .pin(Self.number, controller: 0))])
        event = try machine.vm.makeInterruptEvent(Self.number, isLevel: true)
    }

    /// Brings the kernel's input to the device's level; `pulsed` where the device has let go for a moment. From any thread.
    func follow(pulsed: Bool = false) throws(KVMError) {
        try isUp.withLock { (isUp) throws(KVMError) in
            let level = isHeld.load(ordering: .relaxed) || machine.consoleLevel
            if pulsed, isUp {
                try lower()
                isUp = false
            }
            guard level != isUp else { return }
            if level { try event.raise() } else { try lower() }
            isUp = level
        }
    }

    /// Holds the line up by hand, until it is let go likewise.
    func hold(_ level: Bool) throws(KVMError) {
        isHeld.store(level, ordering: .relaxed)
        try follow()
    }

    /// As at the start. The device was reset already.
    func reset() throws(KVMError) {
        isHeld.store(false, ordering: .relaxed)
        try isUp.withLock { (isUp) throws(KVMError) in
            _ = event.takeEnd()
            try lower()
            isUp = false
        }
    }

    /// The thread that hears of ends: where the device's line is still high then, it rises again.
    func live() {
        while true {
            _ = waitForInput([event.endNumber, quitting.number])
            if quitting.take() { return }
            do throws(KVMError) {
                isUp.withLock { if event.takeEnd() { $0 = false } }
                try follow()
            } catch {
                diagnose(.interruptInput, "the UART's interrupt is lost: \(error)")
            }
        }
    }

    /// Ends the thread.
    func quit() { try? quitting.signal() }

    private func lower() throws(KVMError) {
        try machine.vm.setInterruptLine(ArmInterruptLine.shared(ArmBoard.uartInterrupt).number, false)
    }
}
