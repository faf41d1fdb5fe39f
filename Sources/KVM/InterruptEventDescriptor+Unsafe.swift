import CLinux
import Host

// Interrupts by writing to a descriptor (Documentation/virt/kvm/api.rst, KVM_IRQFD), from any thread or process and
// without the machine's descriptor. It needs local APICs, or a vGIC, in the kernel.
//
// A plain one is an edge: the line goes up and down again at once. One with a second descriptor stays up until the guest
// ends the interrupt; then it goes down, and the second descriptor signals it, so that the device may raise it again. On x86
// that is right for level-triggered inputs only: on an edge-triggered one whose interrupt is never taken (masked, or
// polled) the line stays up and every later edge is lost. So a device whose trigger mode is the guest's choice, such as a
// PC's UART, keeps to `VM.setInterruptLine` there. KVM's GIC takes each write as an edge where the guest wants edges,
// whatever the line was.

/// A descriptor whose writes are interrupts ("irqfd").
package struct InterruptEventDescriptor: ~Copyable, Sendable {
    /// Written by the device.
    private let event: EventDescriptor
    /// Signalled when the guest has ended the interrupt; never for an edge.
    private let ended: EventDescriptor
    private let isLevel: Bool
    package let number: UInt32

    fileprivate init(_ number: UInt32, isLevel: Bool) throws(KVMError) {
        let event = try named("eventfd") { () throws(Errno) in try EventDescriptor() }
        let ended = try named("eventfd") { () throws(Errno) in try EventDescriptor() }
        self.event = event
        self.ended = ended
        self.isLevel = isLevel
        self.number = number
    }

    /// Raises the interrupt. A second time before the kernel has seen the first is one.
    package func raise() throws(KVMError) { try named("write to an irqfd") { () throws(Errno) in try event.signal() } }

    /// What to wait for until `takeEnd` has news.
    package var endNumber: Int32 { ended.number }

    /// Whether the guest has ended a level-triggered interrupt since the last call: the line is down now.
    package func takeEnd() -> Bool { ended.take() }

    fileprivate func request(_ machine: Int32, flags: UInt32) throws(KVMError) {
        var request = kvm_irqfd()
        request.fd = UInt32(bitPattern: event.number)
        request.gsi = number
        request.flags = flags
        if isLevel {
            request.flags |= UInt32(KVM_IRQFD_FLAG_RESAMPLE)
            request.resamplefd = UInt32(bitPattern: ended.number)
        }
        // SAFETY: the structure is the one that the request takes, used inside the call only.
        _ = try KVM.request("KVM_IRQFD") {
            withUnsafeMutablePointer(to: &request) { clinux_ioctl(machine, REQUEST_IRQFD, $0) }
        }
    }
}

extension VM {
    /// A descriptor for interrupt `number`; with `isLevel`, one that signals its end (x86: with all controllers in the
    /// kernel only). The corresponding request is `KVM_IRQFD`.
    package func makeInterruptEvent(
        _ number: UInt32, isLevel: Bool = false
    ) throws(KVMError) -> InterruptEventDescriptor {
        let event = try InterruptEventDescriptor(number, isLevel: isLevel)
        try event.request(descriptor.number, flags: 0)
        return event
    }

    /// Ends the connection. Closing alone would too, but some time later.
    /// The corresponding request is `KVM_IRQFD` with `KVM_IRQFD_FLAG_DEASSIGN`.
    package func disconnect(_ event: consuming InterruptEventDescriptor) throws(KVMError) {
        try event.request(descriptor.number, flags: UInt32(KVM_IRQFD_FLAG_DEASSIGN))
    }
}
