import Debugger
import Devices
import Interrupts
import KVM
import Primitives

// What the kinds of GICs have in common.

/// A GIC of the kernel's, on an arm64 machine: its registers can be accessed while no vCPU runs.
protocol KernelGIC: InterruptController {
    var machine: VirtualMachine { get }
    /// The devices' lines into it.
    var wires: InterruptWires { get }
    /// A copy of its state.
    func copy() throws(KVMError) -> any InspectableGIC
}

extension KernelGIC {
    var gicInterrupts: Int? { Int(ArmBoard.interruptCount) }

    func raise(_ change: LineChange, by processor: Processor?) throws(KVMError) {
        try wires[change.line]?.follow(pulsed: change.action == .pulseLow)
    }

    func view() throws(Refusal) -> InterruptView {
        let gic: any InspectableGIC
        do throws(KVMError) { gic = try copy() } catch { throw .unreadable(error) }
        return InterruptView(
            gic, journal: nil, facts: machine.processorFacts, now: ModelTime(nanoseconds: 0),
            devices: machine.gicDevices)
    }

    /// Holds an input high or low, of a private interrupt that of processor `cpu`.
    func setLine(_ id: Int, _ cpu: Int, _ level: Bool) throws(KVMError) {
        if let wire = wires[UInt32(id)] { return try wire.hold(level) }
        try machine.vm.setInterruptLine(ArmInterruptLine(id, of: cpu).number, level)
    }

    func checkCatch(_ line: Int, _ kind: InterruptEvent.Kind) throws(Refusal) {
        guard kind != .deliver else { return }
        throw Refusal(
            "n/a (kernel irqchip): the kernel reports none of these events; for the handler: catch irq \(line); "
                + "--irqchip gicv2 reports all")
    }
}

extension Refusal {
    /// KVM drives the input of an injected interrupt, and keeps it low.
    static func drivenByKernel(_ request: InterruptRequest) -> Refusal {
        guard case .inject(let id, _, _) = request else { return Refusal("the kernel did not take it") }
        return Refusal("the kernel did not take interrupt \(id): it drives that input itself")
    }
}

extension GICv2 {
    /// Up to `count` bytes of what `processor` would read at `address`, without a read's side effects.
    func inspect(_ placement: Placement, _ address: PhysicalAddress, count: Int, by processor: Int) -> [UInt8]? {
        switch placement.find(address) {
        case nil: nil
        case .distributor(let offset): bytes(of: inspectDistributor(offset & ~3, processor), from: address, count)
        case .interface(let offset): bytes(of: inspectInterface(offset & ~3, processor), from: address, count)
        }
    }
}

/// The bytes from `address` on of the 32-bit register that it is in.
func bytes(of word: UInt32, from address: PhysicalAddress, _ count: Int) -> [UInt8] {
    let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
    return Array(bytes[Int(address.rawValue & 3)...].prefix(count))
}
