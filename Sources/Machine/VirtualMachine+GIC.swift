import Debugger
import Interrupts
import Primitives

// The built-in GIC for the debugger: by the thread with the baton.
extension VirtualMachine {
    /// What drives the inputs of the board.
    private static let gicDevices = [
        GICBoard.timerLine: "virtual timer", GICBoard.consoleLine: "serial port",
        GICBoard.clockLine: "real-time clock",
    ]

    package func gic() throws(Refusal) -> GICView {
        guard let model, let board = model.look({ $0.gic }) else { throw Refusal("this machine has no GIC") }
        return GICView(
            board.gic, facts: facts, now: model.moment(on: nil), isRecorded: true, devices: Self.gicDevices)
    }

    package func perform(_ request: GICv2.Request) throws(Refusal) -> String {
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
    func inspectGIC(
        _ board: GICBoard, _ address: PhysicalAddress, count: Int, by processor: Int
    ) throws(Refusal) -> [UInt8] {
        guard let place = board.configuration.placement.find(address) else {
            throw Refusal("physical \(address) is neither memory nor a device that can be read without a trace")
        }
        let word: UInt32
        switch place {
        case .distributor(let offset): word = board.gic.inspectDistributor(offset & ~3, processor)
        case .interface(let offset): word = board.gic.inspectInterface(offset & ~3, processor)
        }
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        return Array(bytes[Int(address.rawValue & 3)...].prefix(count))
    }
}
