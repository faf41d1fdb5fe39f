import Architecture
import Debugger
import KVM
import Primitives

// An arm64 vCPU's registers, a request each (see Arm64KernelRegisters).
extension Processor {
    /// Reads `blocks` from KVM. A register that this host's KVM does not have is missing.
    func getArm(_ blocks: RegisterBlocks) throws(KVMError) {
        for row in Arm64.kernelRegisters where blocks.contains(row.block) {
            do throws(KVMError) { try vcpu.get(row.id, into: &registers.storage, at: row.offset) } catch {
                guard error.errno == .noSuchFile else { throw error }
                registers.noteMissing(row.block, at: row.offset, "this host's KVM has no such register")
            }
        }
    }

    private static let programCounterRegister = Arm64.kernelRegister("pc").id

    /// The program counter as KVM has it, by one request: `registers` stays as it is.
    func soleProgramCounter() throws(KVMError) -> VirtualAddress {
        var bytes = [UInt8](repeating: 0, count: 8)
        try vcpu.get(Self.programCounterRegister, into: &bytes, at: 0)
        return VirtualAddress(bytes.number(at: 0, count: 8))
    }

    /// Whether it is switched off, where there are others that could switch it on.
    func noteArmActivity() {
        guard machine.processors.count > 1 else { return }
        arm64.isOff = (try? activity()) == .stopped
    }

    /// Once others have run while it was stopped: CPU_ON has given it other registers, which are not to be overwritten
    /// with those it had.
    func noteSwitchOn() {
        guard arm64.isOff else { return }
        noteArmActivity()
        if !arm64.isOff { forgetRegisters() }
    }

    /// Gives KVM the `blocks` of `file`: where `old` is given, what differs from it only.
    func setArm(
        _ blocks: RegisterBlocks, of file: RegisterFile, insteadOf old: RegisterFile? = nil
    ) throws(KVMError) {
        for row in Arm64.kernelRegisters where blocks.contains(row.block) {
            let place = row.offset..<row.offset + row.width
            if let old, old.storage[place] == file.storage[place] { continue }
            try vcpu.set(row.id, from: file.storage, at: row.offset)
        }
    }

    /// Makes it a processor of `kind`, the first one at the image's first instruction; the others wait for CPU_ON.
    func prepareArm(_ kind: ProcessorKind) throws(KVMError) {
        try vcpu.initialise(as: kind.starting(isOff: index > 0))
        registers.present = []
        registers.forgetMissing(.all)
        arm64.reset(isOff: index > 0)
        signals.interruptsChanged.store(true, ordering: .releasing)
        fetch(.ofEveryExit)
        guard index == 0 else { return }
        guard case .arm64(let start) = machine.configuration.image.start else {
            fatalError("this machine's image is no arm64 machine's")
        }
        Arm64.setProgramCounter(&registers, to: VirtualAddress(start.programCounter.rawValue))
        Arm64.setState(&registers, to: Arm64State(rawValue: start.state))
        registers.set(Arm64.layout[name: "x0"]!, to: start.deviceTree.rawValue)
        registers.set(Arm64.layout[name: "sp_el1"]!, to: start.stack.rawValue)
        try storeChangedRegisters()
    }
}
