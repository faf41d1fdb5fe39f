import Debugger
import Testing

@testable import Machine

@Suite("Fairness")
struct FairnessTests {
    private func stopped(_ gate: Gate, byFirst isStarved: Bool) {
        gate.release(.run(2), by: 0)
        #expect(gate.arrive(0, with: StopEvent(.stepped, on: 0)))
        _ = gate.arrive(1, with: nil, isStarved: isStarved)
    }

    @Test("a vCPU that was called back before it ran goes first the next time, until it has got somewhere")
    func starved() {
        let gate = Gate(processors: 2) { _ in }
        stopped(gate, byFirst: true)
        gate.release(.run(2), by: 0)
        #expect(gate.goesFirst(1) && !gate.goesFirst(0))
        gate.letOthersGo(1)
        #expect(!gate.goesFirst(1))
        // The other enters at once.
        gate.enter(0)
    }

    @Test("nobody goes first where all got somewhere")
    func fair() {
        let gate = Gate(processors: 2) { _ in }
        stopped(gate, byFirst: false)
        gate.release(.run(2), by: 0)
        #expect(!gate.goesFirst(1) && !gate.goesFirst(0))
    }

    @Test("a stop that came second puts its vCPU first the next time")
    func second() {
        let gate = Gate(processors: 2) { _ in }
        gate.release(.run(2), by: 0)
        #expect(gate.arrive(0, with: StopEvent(.stepped, on: 0)))
        #expect(!gate.arrive(1, with: StopEvent(.stepped, on: 1)))
        gate.release(.run(2), by: 0)
        #expect(gate.goesFirst(1))
    }

    @Test("one that gets nowhere does not keep the others for good")
    func bounded() {
        let gate = Gate(processors: 2) { _ in }
        stopped(gate, byFirst: true)
        gate.release(.run(2), by: 0)
        gate.enter(0)
        #expect(!gate.goesFirst(1))
    }
}
