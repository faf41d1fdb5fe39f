import Host
import KVM
import Primitives
import Synchronization

/// The line of a device into the kernel's GIC. It rises through an irqfd; it falls when the guest ends the
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
    private let line: UInt32

    /// Of the device with interrupt `line`, once its route is there.
    fileprivate init(_ line: UInt32, of machine: VirtualMachine) throws(KVMError) {
        self.machine = machine
        self.line = line
        do throws(Errno) { quitting = try EventDescriptor() } catch {
            throw KVMError(request: "eventfd", errno: error)
        }
        event = try machine.vm.makeInterruptEvent(line - ArmBoard.firstShared, isLevel: true)
    }

    /// Brings the kernel's input to the device's level; `pulsed` where the device has let go for a moment. From any thread.
    func follow(pulsed: Bool = false) throws(KVMError) {
        try isUp.withLock { (isUp) throws(KVMError) in
            let level = isHeld.load(ordering: .relaxed) || machine.deviceLevel(ofLine: line)
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
                diagnose(.interruptInput, "interrupt \(line) is lost: \(error)")
            }
        }
    }

    /// Ends the thread.
    func quit() { try? quitting.signal() }

    private func lower() throws(KVMError) {
        try machine.vm.setInterruptLine(ArmInterruptLine.shared(line).number, false)
    }
}

/// The lines of all devices of a board, each with a thread while the machine runs.
struct InterruptWires: Sendable {
    private let wires: [UInt32: InterruptWire]

    /// Once the GIC is initialised. The machine's routes are replaced: these are all. The GIC's numbers of shared
    /// interrupts begin at 32, those of KVM's routes at 0.
    init(of machine: VirtualMachine) throws(KVMError) {
        let places = ArmBoard.virtio.prefix(machine.configuration.virtio.functions.count)
        let lines = [ArmBoard.uartInterrupt] + places.map(\.interrupt)
        try machine.vm.setRoutes(
            lines.map { GSIRoute($0 - ArmBoard.firstShared, to: .pin($0 - ArmBoard.firstShared, controller: 0)) })
        var wires: [UInt32: InterruptWire] = [:]
        for line in lines { wires[line] = try InterruptWire(line, of: machine) }
        self.wires = wires
    }

    subscript(line: UInt32) -> InterruptWire? { wires[line] }

    func start() throws(Errno) {
        for wire in wires.values { _ = try Host.Thread.start("interrupt ends") { wire.live() } }
    }

    func reset() throws(KVMError) { for wire in wires.values { try wire.reset() } }

    func quit() { for wire in wires.values { wire.quit() } }
}
