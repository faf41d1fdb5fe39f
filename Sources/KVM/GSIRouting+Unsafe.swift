import CLinux
import Host
import Primitives

// Where interrupts that are raised by number lead (Documentation/virt/kvm/api.rst, KVM_SET_GSI_ROUTING), and messages that
// need no number (KVM_SIGNAL_MSI). x86: with KVM_CREATE_IRQCHIP every number has its pins from the start, and with
// KVM_CAP_SPLIT_IRQCHIP there are messages only. arm64: number N is shared peripheral interrupt N from the start.

/// What the number ("GSI") of an interrupt of a machine stands for.
package struct GSIRoute: Hashable, Sendable {
    package enum Target: Hashable, Sendable {
        /// Pin `pin` of one of the kernel's controllers: KVM_IRQCHIP_PIC_MASTER and its like on x86, 0 on arm64.
        case pin(UInt32, controller: UInt32)
        case message(address: UInt64, data: UInt32)
    }

    package let number: UInt32
    package let target: Target

    package init(_ number: UInt32, to target: Target) {
        self.number = number
        self.target = target
    }

    fileprivate var entry: kvm_irq_routing_entry {
        var entry = kvm_irq_routing_entry()
        entry.gsi = number
        switch target {
        case .pin(let pin, let controller):
            entry.type = UInt32(KVM_IRQ_ROUTING_IRQCHIP)
            entry.u.irqchip = kvm_irq_routing_irqchip(irqchip: controller, pin: pin)
        case .message(let address, let data):
            entry.type = UInt32(KVM_IRQ_ROUTING_MSI)
            entry.u.msi.address_lo = UInt32(truncatingIfNeeded: address)
            entry.u.msi.address_hi = UInt32(truncatingIfNeeded: address >> 32)
            entry.u.msi.data = data
        }
        return entry
    }
}

extension VM {
    /// Makes `routes` all there are; a number may have several. x86: of the first numbers, as many as
    /// `makeLocalAPICs` was given, KVM reports the ends of level-triggered messages.
    /// The corresponding request is `KVM_SET_GSI_ROUTING`.
    package func setRoutes(_ routes: [GSIRoute]) throws(KVMError) {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(routes.count))
        bytes.append(littleEndian: 0 as UInt32)  // no flags
        for route in routes { withUnsafeBytes(of: route.entry) { bytes += $0 } }
        let number = descriptor.number
        // SAFETY: the first word says how many entries follow; the kernel reads no more, during the call.
        _ = try request("KVM_SET_GSI_ROUTING") {
            bytes.withUnsafeMutableBytes { clinux_ioctl(number, REQUEST_SET_GSI_ROUTING, $0.baseAddress) }
        }
    }

    /// Sends a message-signalled interrupt: whether a local APIC accepted it.
    /// The corresponding request is `KVM_SIGNAL_MSI`.
    package func signal(address: UInt64, data: UInt32) throws(KVMError) -> Bool {
        var message = kvm_msi()
        message.address_lo = UInt32(truncatingIfNeeded: address)
        message.address_hi = UInt32(truncatingIfNeeded: address >> 32)
        message.data = data
        let number = descriptor.number
        do throws(KVMError) {
            // SAFETY: the structure is the one that the request takes, used inside the call only.
            return try request("KVM_SIGNAL_MSI") {
                withUnsafeMutablePointer(to: &message) { clinux_ioctl(number, REQUEST_SIGNAL_MSI, $0) }
            } > 0
        } catch {
            // Where no local APIC is addressed the kernel gives 0, or -1 without an errno of its own.
            if error.errno == .notPermitted { return false }
            throw error
        }
    }
}
