import Architecture
import Boot
import Debugger
import KVM
import Primitives

// An x86 vCPU's registers, by blocks of KVM's structures.
extension Processor {
    private static let places: [(blocks: RegisterBlocks, block: RegisterBlock, offset: Int)] = [
        (.general, .general, X86.Storage.general), (.system, .system, X86.Storage.system),
        (.floatingPoint, .floatingPoint, X86.Storage.floatingPoint), (.debug, .debug, X86.Storage.debug),
    ]

    private static let modelSpecific = X86.modelSpecificRegisters.map(\.index)

    /// Reads one block from KVM; x86 has nothing of those that are arm64's.
    func getX86(_ block: RegisterBlocks) throws(KVMError) {
        if let place = Self.places.first(where: { $0.blocks == block }) {
            try vcpu.get(place.block, into: &registers.storage, at: place.offset)
        }
        if block == .system { showTaskPriority() }
        if block == .modelSpecific { try getModelSpecific() }
        if block == .extendedControl {
            registers.storage.store(try vcpu.extendedControl(), at: X86.Storage.extendedControl, count: 8)
        }
    }

    /// All by one request, and one by one where KVM does not know all.
    private func getModelSpecific() throws(KVMError) {
        let values = try vcpu.modelSpecific(Self.modelSpecific)
        for (i, index) in Self.modelSpecific.enumerated() {
            let offset = X86.Storage.modelSpecific + i * 8
            if let value = i < values.count ? values[i] : try vcpu.modelSpecific(index) {
                registers.storage.store(value, at: offset, count: 8)
            } else {
                registers.noteMissing(.modelSpecific, at: offset, "this host's KVM knows no MSR \(hexadecimal(index))")
            }
        }
    }

    /// General and system registers, without a request where they came with the exit.
    func getExitRegistersX86() throws(KVMError) {
        if machine.capabilities.synchronisesRegisters, !sync.isPageStale {
            vcpu.copySynchronised(
                general: X86.Storage.general, system: X86.Storage.system, into: &registers.storage)
        } else {
            try vcpu.get(.general, into: &registers.storage, at: X86.Storage.general)
            try vcpu.get(.system, into: &registers.storage, at: X86.Storage.system)
        }
        showTaskPriority()
    }

    /// Without the kernel's local APIC, CR8 is what the next run loads from the run page: TPR may have been written since
    /// the exit.
    func showTaskPriority() {
        guard !hasKernelAPIC else { return }
        X86.setTaskPriority(&registers, vcpu.taskPriority)
    }

    /// Gives KVM general and system registers.
    func storeAll() throws(KVMError) {
        try vcpu.set(.system, from: registers.storage, at: X86.Storage.system)
        registers.changed = .general
        try storeChangedRegisters()
    }

    /// Gives KVM the general registers.
    func setChangedX86() throws(KVMError) {
        try vcpu.set(.general, from: registers.storage, at: X86.Storage.general)
        // KVM keeps the trap flag in the registers just replaced, and the run page has the old ones.
        distrustDebugControl()
        sync.isPageStale = true
    }

    /// Gives KVM the `blocks` of `file`, but for model-specific registers.
    func setX86(_ blocks: RegisterBlocks, of file: RegisterFile) throws(KVMError) {
        for place in Self.places where blocks.contains(place.blocks) {
            try vcpu.set(place.block, from: file.storage, at: place.offset)
        }
        // From there KVM loads CR8, where it has no local APIC.
        if blocks.contains(.system) { vcpu.taskPriority = X86.taskPriority(file) }
        if blocks.contains(.extendedControl) {
            try vcpu.setExtendedControl(file.storage.number(at: X86.Storage.extendedControl, count: 8))
        }
    }

    func storeModelSpecific(of file: RegisterFile, insteadOf old: RegisterFile) throws(Refusal) {
        for (i, register) in X86.modelSpecificRegisters.enumerated() {
            let offset = X86.Storage.modelSpecific + i * 8
            let value: UInt64 = file.storage.number(at: offset, count: 8)
            if value == old.storage.number(at: offset, count: 8) { continue }
            guard (try? vcpu.setModelSpecific(register.index, to: value)) == true else {
                throw Refusal("the processor does not accept \(hexadecimal(value)) in \(register.name)")
            }
        }
    }

    /// Gives the processor its state at the image's first instruction, on top of what KVM made.
    func prepare(_ start: StartState) throws(KVMError) {
        try vcpu.get(.general, into: &registers.storage, at: X86.Storage.general)
        try vcpu.get(.system, into: &registers.storage, at: X86.Storage.system)
        registers.present = .ofEveryExit
        resetInterrupts()
        // The others wait for a start-up interrupt, in the state of a reset.
        guard index == 0 else { return }
        set(start)
        try vcpu.set(.system, from: registers.storage, at: X86.Storage.system)
        try vcpu.set(.general, from: registers.storage, at: X86.Storage.general)
        registers.changed = []
    }

    // MARK: - Model-specific registers by number

    func modelSpecific(_ index: UInt32) throws(Refusal) -> UInt64 {
        if let value = try machine.interruptController.register(index, writing: nil, of: self) { return value }
        let found: UInt64?
        do throws(KVMError) { found = try vcpu.modelSpecific(index) } catch { throw Refusal("\(error)") }
        guard let found else { throw Refusal("this host's KVM knows no MSR \(hexadecimal(index))") }
        return found
    }

    func setModelSpecific(_ index: UInt32, to value: UInt64) throws(Refusal) {
        if try machine.interruptController.register(index, writing: value, of: self) != nil { return }
        let old = try modelSpecific(index)
        let isTaken: Bool
        do throws(KVMError) { isTaken = try vcpu.setModelSpecific(index, to: value) } catch {
            throw Refusal("\(error)")
        }
        guard isTaken else {
            throw Refusal("the processor does not accept \(hexadecimal(value)) in MSR \(hexadecimal(index))")
        }
        // Some of them are in other blocks too.
        registers.present.subtract([.system, .modelSpecific])
        defer { fetch(.system) }
        let kept = try modelSpecific(index)
        guard kept == value || X86ModelSpecific.isClock(index) else {
            _ = try? vcpu.setModelSpecific(index, to: old)
            throw Refusal(
                "the processor does not accept this value: MSR \(hexadecimal(index)) would be \(hexadecimal(kept)), "
                    + "not \(hexadecimal(value))")
        }
    }
}
