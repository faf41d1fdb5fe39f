import Primitives
import Testing

@testable import Interrupts

/// The first flow with the whole GIC below it: the host's Distributor and CPU interface, the hypervisor, the guest.
@Suite struct HostedFlowTests {
    private static let now = ModelTime(nanoseconds: 0)
    private static let physical = 40
    private static let virtual = 48

    private var host: GICv2
    private var guest = VirtualDistributor(shared: 32)
    /// Where the walk is, in the words of each part's own registers.
    private var steps: [String] = []

    init() {
        host = GICv2(.gic400)
        // The host uses EOImode 1, as a hypervisor must: the drop is its own, the deactivation the guest's.
        writeDistributor(0x000, 1)
        writeDistributor(0x104, 1 << 8)
        writeDistributor(0x800 + Self.physical, 1, size: 1)
        writeInterface(0x00, 0x201)
        writeInterface(0x04, 0xf0)
        _ = guest.enter(0)
        _ = guest.write(1, to: .control, 0)
        _ = guest.write(0xf0, to: .priorityMask, 0)
        _ = guest.configure(Self.virtual) { $0.isEnabled = true }
        guest.link(Self.virtual, toPhysical: Self.physical)
    }

    private mutating func writeDistributor(_ offset: Int, _ value: UInt64, size: Int = 4) {
        _ = host.writeDistributor(value, offset, size: size, 0, at: Self.now)
    }

    private mutating func writeInterface(_ offset: Int, _ value: UInt64) {
        _ = host.writeInterface(value, offset, size: 4, 0, at: Self.now)
    }

    /// The device's input, which both the Distributor and the hypervisor can see.
    private mutating func line(_ level: Bool) {
        _ = host.setLine(Self.physical, level, at: Self.now)
        guest.setPhysicalLine(Self.physical, level)
    }

    /// What the physical interrupt is, and whether the host is called.
    private var state: String {
        let it = host.distributor.state(Self.physical, 0)
        let words = [it.isPending ? "pending" : "", it.isActive ? "active" : "", host.irq.contains(0) ? "nIRQ" : ""]
        return words.filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// The hypervisor's handler of nIRQ: out of the guest, acknowledge, drop, inject, in again.
    private mutating func takeOver() {
        _ = guest.exit(0)
        let id = Int(host.readInterface(0x0c, size: 4, 0, at: Self.now).value)
        steps.append("host acknowledges \(id): \(state)")
        writeInterface(0x10, UInt64(id))
        steps.append("host drops: \(state)")
        _ = guest.takePhysical(id)
        _ = guest.enter(0)
        steps.append("LR0 \(guest.interfaces[0].hypervisor.lists[0])")
    }

    private mutating func endByGuest(_ value: UInt32) {
        for effect in guest.write(value, to: .end, 0) {
            guard case .deactivatePhysical(let id) = effect else { continue }
            writeDistributor(0x380 + id / 32 * 4, 1 << UInt64(id % 32))
            steps.append("guest ends \(value), GIC deactivates \(id): \(state)")
        }
    }

    @Test("a physical interrupt goes through host and guest, and its end by the guest lets the next one come")
    mutating func walk() {
        line(true)
        steps.append("device raises: \(state)")
        takeOver()
        let value = guest.read(.acknowledge, 0).value
        steps.append("guest acknowledges \(value): \(state)")
        line(false)
        endByGuest(value)
        line(true)
        steps.append("device raises: \(state)")
        #expect(
            steps == [
                "device raises: pending nIRQ", "host acknowledges 40: pending active", "host drops: pending active",
                "LR0 pending 48 prio a0 grp0 hw 40", "guest acknowledges 48: pending active",
                "guest ends 48, GIC deactivates 40: ", "device raises: pending nIRQ",
            ])
    }

    @Test("a level that stays high calls the host again as soon as the guest has ended the first, not before")
    mutating func again() {
        line(true)
        takeOver()
        #expect(state == "pending active")
        let value = guest.read(.acknowledge, 0).value
        #expect(state == "pending active")
        endByGuest(value)
        #expect(state == "pending nIRQ")
        takeOver()
        #expect(steps.last == "LR0 pending 48 prio a0 grp0 hw 40")
    }
}
