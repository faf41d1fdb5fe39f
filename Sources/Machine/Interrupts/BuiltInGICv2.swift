import Debugger
import Interrupts
import KVM
import Primitives

/// The built-in GICv2: `--irqchip gicv2`, on x86 hosts with a board of its own (see GICBoard).
final class BuiltInGICv2: InterruptController {
    private unowned let machine: VirtualMachine
    let model: InterruptModel?
    private let configuration: GICBoard.Configuration

    init(of machine: VirtualMachine) {
        self.machine = machine
        configuration = machine.gicBoard
        model = InterruptModel(ModelledControllers(GICBoard(configuration)), of: machine)
    }

    func answers(_ entries: [CPUIDEntry]) -> [CPUIDEntry] { offer(entries, localAPIC: nil) }

    func signalledInterrupt(on processor: Processor) throws(KVMError) -> Int? {
        model!.look { $0.gic!.gic.signalledInterrupt(processor.index) }
    }

    /// x86: its one vector.
    func isInService(_ vector: UInt8, on processor: Processor) throws(KVMError) -> Bool { vector == GICBoard.vector }

    // MARK: - The debugger

    var gicInterrupts: Int? { configuration.gic.interrupts }

    var pages: [(base: PhysicalAddress, size: UInt64, name: String)] {
        let placement = configuration.placement
        var pages = [
            (placement.distributor, UInt64(GICv2.distributorSize), "GICv2 Distributor"),
            (placement.interface, UInt64(GICv2.interfaceSize), "GICv2 CPU interface"),
        ]
        if let timers = configuration.timers { pages.append((timers, UInt64(GenericTimer.frameSize), "virtual timer")) }
        if let starter = configuration.starter {
            pages.append((starter, UInt64(GenericTimer.frameSize), "vCPU start"))
        }
        return pages
    }

    func view() throws(Refusal) -> InterruptView {
        let gic = model!.look { $0.gic!.gic }
        return InterruptView(
            gic, journal: gic.journal, facts: machine.processorFacts, now: model!.moment(on: nil),
            devices: machine.gicDevices)
    }

    func perform(_ request: InterruptRequest) throws(Refusal) -> String {
        let facts = machine.processorFacts
        var result: InterruptResult?
        model!.change { controllers, now in
            controllers.gic?.change { gic in
                let done = gic.perform(request, facts, at: now)
                result = done
                return done.outcome
            }
        }
        guard let result, result.isDone else { throw Refusal(result?.text ?? "this machine has no GIC") }
        return "\(result)"
    }

    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8]? {
        model!.look { $0.gic!.gic.inspect(configuration.placement, address, count: count, by: processor) }
    }
}
