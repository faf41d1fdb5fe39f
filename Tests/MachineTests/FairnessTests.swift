import Debugger
import Primitives
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

    private func breakpoints(_ count: Int, on gate: Gate) {
        for _ in 0..<count {
            gate.release(.run(2), by: 0)
            _ = gate.arrive(1, with: nil)
            #expect(gate.arrive(0, with: StopEvent(.breakpoint(VirtualAddress(0x1000)), on: 0)))
        }
    }

    @Test("after many stops of one vCPU in a row the other has a whole turn")
    func longTurn() {
        let gate = Gate(processors: 2) { _ in }
        breakpoints(7, on: gate)
        gate.release(.run(2), by: 0)
        #expect(!gate.goesFirst(1) && !gate.isLongTurn)
        _ = gate.arrive(1, with: nil)
        #expect(gate.arrive(0, with: StopEvent(.breakpoint(VirtualAddress(0x1000)), on: 0)))
        gate.release(.run(2), by: 0)
        #expect(gate.goesFirst(1) && gate.isLongTurn && !gate.goesFirst(0))
    }

    @Test("steps of one vCPU, alone or beside another that runs, wait for no long turn and end no streak")
    func steps() {
        let gate = Gate(processors: 2) { _ in }
        breakpoints(8, on: gate)
        for other in [ResumePlan.Action.stay, .run] {
            gate.release(ResumePlan(actions: [.step, other]), by: 0)
            #expect(!gate.goesFirst(1) && !gate.isLongTurn)
            if other == .run { _ = gate.arrive(1, with: nil) }
            #expect(gate.arrive(0, with: StopEvent(.stepped, on: 0)))
        }
        gate.release(.run(2), by: 0)
        #expect(gate.goesFirst(1) && gate.isLongTurn)
    }
}
