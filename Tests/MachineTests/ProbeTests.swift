import KVM
import Testing

@testable import Machine

@Suite("The probe", .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct ProbeTests {
    @Test("finds the same twice on one host")
    func repeatable() throws {
        let system = try System()
        #expect(try Probe.run(system) == Probe.run(system))
    }

    @Test("understands what becomes of INT3 in kernel mode, and can step there")
    func understood() throws {
        let found = try Probe.run(System())
        #expect(found.kernel.breakpoint != .unknown)
        #expect(found.kernel.singleStep && found.kernel.executionBreakpoint)
    }

    @Test("each finding has a key of its own")
    func keys() throws {
        let keys = try Probe.run(System()).findings.map(\.key)
        #expect(Set(keys).count == keys.count)
    }
}
