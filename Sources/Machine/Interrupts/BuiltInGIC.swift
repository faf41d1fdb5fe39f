import Debugger
import Interrupts
import Primitives

// The built-in GIC for the debugger: by the thread with the baton.
extension VirtualMachine {
    /// What drives the inputs of the board.
    private var gicDevices: [Int: String] {
        switch architecture {
        case .x86_64:
            [
                GICBoard.timerLine: "virtual timer", GICBoard.consoleLine: "serial port",
                GICBoard.clockLine: "real-time clock",
            ]
        case .arm64:
            [
                Int(ArmBoard.performanceMonitor): "performance monitor", Int(ArmBoard.virtualTimer): "virtual timer",
                Int(ArmBoard.physicalTimer): "physical timer", Int(ArmBoard.uartInterrupt): "PL011",
            ]
        }
    }

    package func gic() throws(Refusal) -> GICView {
        if let version = vgic?.version {
            let gic: any InspectableGIC = version == .v2 ? try readKernelGIC() : try readKernelGICv3()
            return GICView(
                gic, journal: nil, facts: facts, now: Moment(nanoseconds: 0), devices: gicDevices)
        }
        guard let model, let board = model.look({ $0.gic }) else { throw Refusal("this machine has no GIC") }
        return GICView(
            board.gic, journal: board.gic.journal, facts: facts, now: model.moment(on: nil), devices: gicDevices)
    }

    package func perform(_ request: GICRequest) throws(Refusal) -> String {
        if let version = vgic?.version {
            return version == .v2 ? try performInKernelGIC(request) : try performInKernelGICv3(request)
        }
        let facts = facts
        var deed: InterruptDeed?
        model?.change { controllers, now in
            controllers.gic?.change { gic in
                let done = gic.perform(request, facts, at: now)
                deed = done
                return done.outcome
            }
        }
        guard let deed else { throw Refusal("this machine has no GIC") }
        guard deed.isDone else { throw Refusal(deed.text) }
        return "\(deed)"
    }

    /// What a vCPU would read of the GIC's pages, without what a read does.
    func inspect(
        _ gic: GICv2, _ placement: GICv2.Placement, _ address: PhysicalAddress, count: Int, by processor: Int
    ) throws(Refusal) -> [UInt8] {
        guard let place = placement.find(address) else {
            throw Refusal("physical \(address) is neither memory nor a device that can be read without a trace")
        }
        let word: UInt32
        switch place {
        case .distributor(let offset): word = gic.inspectDistributor(offset & ~3, processor)
        case .interface(let offset): word = gic.inspectInterface(offset & ~3, processor)
        }
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        return Array(bytes[Int(address.rawValue & 3)...].prefix(count))
    }
}
