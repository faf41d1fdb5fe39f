import Glibc
import Testing

@testable import KVM
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

    @Test("a signal that comes after a vCPU has gone writes nothing")
    func lateSignal() throws {
        #expect(currentImmediateExit() == nil)
        _ = try Probe.run(System())
        #expect(currentImmediateExit() == nil)
        do {
            let sandbox = try Sandbox(memorySize: 1 << 20)
            #expect(currentImmediateExit() != nil)
            let other = try Sandbox(memorySize: 1 << 20)
            // The end of one vCPU is not that of the thread's other one.
            sandbox.vcpu.releaseCurrentThread()
            #expect(currentImmediateExit() != nil)
            _ = try other.get()
        }
        #expect(currentImmediateExit() == nil)
        raise(SIGIO)
    }
}
