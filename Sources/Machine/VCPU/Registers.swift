import Architecture
import Boot
import Debugger
import KVM
import Primitives

// What becomes of a parked vCPU's registers that are changed, and of those that KVM has been given. Fetching is in VCPUSeam.
extension Processor {
    /// Takes everything anew from KVM, and drops what was to be reported of the state before.
    func forgetRegisters() {
        registers.changed = []
        registers.present = []
        registers.forgetMissing(.all)
        loop.pendingStops = []
        accesses.pendingHits = []
        forgetReported()
        distrustDebugControl()
        noteReplacement()
        fetch(.ofEveryExit)
    }

    /// KVM was given other registers than `registers` and the run page have.
    func noteReplacement() { (sync.isPageStale, sync.isCurrent) = (true, false) }

    /// Takes changed registers. All but the general ones go to KVM now, so that a value it refuses, or does not keep, is
    /// the user's to know; KVM never refuses general ones, which go with the next resume.
    func take(_ file: RegisterFile) throws(Refusal) {
        if let reason = objection(to: file) { throw Refusal(reason) }
        let old = registers
        let stored = file.changed.subtracting(.general)
        do throws(Refusal) {
            try store(stored, of: file, insteadOf: old)
            registers = file
            registers.present.subtract(stored)
            fetch(stored)
            if let loss = loss(from: file, insteadOf: old, in: stored) { throw Refusal(loss) }
        } catch {
            try? store(stored, of: old, insteadOf: file)
            registers = old
            throw error
        }
        if machine.architecture.programCounter(old) != programCounter { forgetReported() }
        machine.interruptController.adoptTaskPriority(of: self)
        registers.changed = old.changed.union(file.changed).intersection(.general)
    }

    /// The program counter is another one, set from outside: what was reported at the old one is no longer the next
    /// instruction's, also when the program counter is set back to it.
    private func forgetReported() {
        breakpoints.reported = nil
        arm64.watchpointStop = nil
        x86.interruptedPass = nil
        x86.completed = nil
    }

    private func store(
        _ blocks: RegisterBlocks, of file: RegisterFile, insteadOf old: RegisterFile
    ) throws(Refusal) {
        do throws(KVMError) { try set(blocks, of: file, insteadOf: old) } catch {
            throw Refusal("the processor does not accept this value (\(error))")
        }
        guard blocks.contains(.modelSpecific) else { return }
        try storeModelSpecific(of: file, insteadOf: old)
    }

    /// What KVM took and did not keep of the registers that differ between `wanted` and `old`.
    private func loss(from wanted: RegisterFile, insteadOf old: RegisterFile, in blocks: RegisterBlocks) -> String? {
        for register in machine.layout.registers where blocks.contains(register.block) {
            let value = wanted.bytes(of: register)
            let kept = registers.bytes(of: register)
            if value == kept || value == old.bytes(of: register) || Arm64.clocks.contains(register.name) { continue }
            func text(_ bytes: [UInt8]) -> String {
                var digits: [UInt8] = []
                digits.appendHex(bytes.reversed())
                return "0x" + String(decoding: digits, as: UTF8.self)
            }
            return "the processor does not accept this value: "
                + "\(register.name) would be \(text(kept)), not \(text(value))"
        }
        return nil
    }

}
