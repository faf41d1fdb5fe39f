import Primitives
import RemoteProtocol

@testable import Debugger

/// A client of a session over a simulated machine.
final class Conversation {
    let target: SimulatedTarget
    let session: Session
    /// What the session wanted of the machine, in its order.
    private(set) var demands: [Session.Demand] = []
    /// What the machine does when it resumes: the stop that follows, or nil to go on running.
    var nextStop: (ResumePlan) -> StopEvent? = { _ in nil }

    /// Features that gdb 13 sends and this server looks at.
    static let gdbFeatures = "multiprocess+;swbreak+;hwbreak+;vContSupported+"

    /// A client that has got past acknowledgements and named `features`, as all but those that test just that.
    init(_ target: SimulatedTarget = SimulatedTarget(), features: String? = gdbFeatures, stop: StopEvent? = nil) {
        self.target = target
        session = Session(target, stop: stop ?? StopEvent(.held, on: 0))
        if let features {
            _ = exchange(frame("QStartNoAckMode"))
            _ = ask("qSupported:" + features)
        }
    }

    /// Sends bytes as they stand, lets the session answer, and takes what it sent.
    func exchange(_ bytes: [UInt8]) -> [Received] {
        session.feed(bytes[...])
        while let demand = session.next() {
            demands.append(demand)
            if case .resume(let plan) = demand, let stop = nextStop(plan) { session.report(stop) }
        }
        // So that tests see what would be armed if the machine went on now.
        session.arrangeChanges()
        return sent()
    }

    /// What the session has to send, taken.
    func sent() -> [Received] {
        let stream = session.framer.outgoing
        session.sent(stream.count)
        return Received.parse(stream)
    }

    /// Sends a packet and returns all replies as text.
    func replies(_ packet: [UInt8]) -> [String] {
        exchange(frame(packet)).map(\.text)
    }

    func replies(_ packet: String) -> [String] { replies(Array(packet.utf8)) }

    /// Sends a packet and returns its only reply; anything but one reply gives a text that no test expects.
    func ask(_ packet: String) -> String {
        let found = replies(packet)
        return found.count == 1 ? found[0] : "\(found.count) replies: \(found)"
    }

    /// Output of a monitor command, in front of its OK.
    func monitor(_ command: String) -> String {
        let found = replies("qRcmd," + hex(command))
        guard found.last == "OK" else { return "\(found)" }
        return found.dropLast().map { text(hex: $0.dropFirst()) ?? "not console output: \($0)" }.joined()
    }

    /// The machine stops: what the client is sent.
    func stop(_ event: StopEvent) -> [String] {
        session.report(event)
        return sent().map(\.text)
    }
}
