import Architecture
import Debugger
import KVM
import Primitives

// Breakpoint conditions and commands, evaluated where they were hit.
extension Processor {
    /// What a hit means: it stops when one of the breakpoints at its address says so.
    func verdict(of programs: [BreakpointProgram]) throws(KVMError) -> BreakpointProgram.Verdict {
        try fetchRegisters()
        let context = HitContext(processor: self)
        var output: [UInt8] = []
        var stops = false
        for program in programs where program.verdict(in: context, output: &output) == .stop { stops = true }
        if !output.isEmpty { machine.server.show(output) }
        return stops ? .stop : .goOn
    }
}

/// A vCPU that stands on a breakpoint, as expressions see it: on its own thread, with its registers fetched.
private struct HitContext: AgentContext {
    let processor: Processor

    func register(_ number: Int) -> UInt64? {
        let layout = processor.machine.layout
        guard layout.registers.indices.contains(number) else { return nil }
        let register = layout.registers[number]
        processor.fetch(register.block)
        return processor.registers.number(register)
    }

    func number(at address: VirtualAddress, size: Int) -> UInt64? {
        let bytes = processor.machine.instruction(at: address, count: size, seenBy: processor)
        return bytes.count == size ? bytes.number(at: 0, count: size) : nil
    }
}
