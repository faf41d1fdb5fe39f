import Architecture
import Boot
import Debugger
import KVM
import Primitives

// A parked vCPU's registers: fetched block by block when asked for, stored when changed.
extension Processor {
    private static let places: [(blocks: RegisterBlocks, block: RegisterBlock, offset: Int)] = [
        (.general, .general, X86.Storage.general), (.system, .system, X86.Storage.system),
        (.floatingPoint, .floatingPoint, X86.Storage.floatingPoint), (.debug, .debug, X86.Storage.debug),
    ]

    private static let modelSpecific = X86.modelSpecificRegisters.map(\.index)

    /// Takes everything anew from KVM, and drops what was to be told about the state before.
    func forgetRegisters() {
        registers.changed = []
        registers.present = []
        registers.forgetMissing(.all)
        pendingStops = []
        accesses.pendingHits = []
        forgetReported()
        distrustDebugControl()
        noteReplacement()
        fetch(.ofEveryExit)
    }

    /// Makes `blocks` present, but for what KVM refuses to give: that is missing in `registers`, and asked for again.
    func fetch(_ blocks: RegisterBlocks) {
        let missing = blocks.subtracting(registers.present)
        guard !missing.isEmpty else { return }
        registers.forgetMissing(missing)
        switch machine.architecture {
        case .x86_64: getX86(missing)
        case .arm64: demand(missing) { () throws(KVMError) in try getArm(missing) }
        }
    }

    /// Fetches `blocks` by `body`: they are present then, or missing with the reason.
    private func demand(_ blocks: RegisterBlocks, _ body: () throws(KVMError) -> Void) {
        do throws(KVMError) {
            try body()
            registers.present.formUnion(blocks)
        } catch {
            registers.noteMissing(blocks, "\(error)")
        }
    }

    private func getX86(_ blocks: RegisterBlocks) {
        for place in Self.places where blocks.contains(place.blocks) {
            demand(place.blocks) { () throws(KVMError) in
                try vcpu.get(place.block, into: &registers.storage, at: place.offset)
            }
        }
        if blocks.contains(.system) { showTaskPriority() }
        if blocks.contains(.modelSpecific) {
            demand(.modelSpecific) { () throws(KVMError) in try getModelSpecific() }
        }
        if blocks.contains(.extendedControl) {
            demand(.extendedControl) { () throws(KVMError) in
                registers.storage.store(try vcpu.extendedControl(), at: X86.Storage.extendedControl, count: 8)
            }
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

    // MARK: - Those of every exit

    /// KVM was given other registers than `registers` and the run page have.
    func noteReplacement() { (sync.isPageStale, sync.isCurrent) = (true, false) }

    /// General and system registers, without a request where they came with the exit, and once for each exit.
    func fetchRegisters() throws(KVMError) {
        if sync.isCurrent { return }
        registers.changed = RegisterBlocks()
        registers.present = RegisterBlocks()
        registers.forgetMissing(.all)
        do throws(KVMError) { try getRegisters() } catch {
            registers.noteMissing(.ofEveryExit, "\(error)")
            throw error
        }
        registers.present = .ofEveryExit
        sync.isCurrent = true
    }

    private func getRegisters() throws(KVMError) {
        switch machine.architecture {
        case .x86_64 where machine.capabilities.synchronisesRegisters && !sync.isPageStale:
            vcpu.copySynchronised(
                general: X86.Storage.general, system: X86.Storage.system, into: &registers.storage)
        case .x86_64:
            try vcpu.get(.general, into: &registers.storage, at: X86.Storage.general)
            try vcpu.get(.system, into: &registers.storage, at: X86.Storage.system)
        case .arm64: try getArm(.ofEveryExit)
        }
        showTaskPriority()
    }

    /// Without the kernel's local APIC, CR8 is what the next run loads from the run page: TPR may have been written since
    /// the exit.
    func showTaskPriority() {
        guard machine.architecture == .x86_64, !hasKernelAPIC else { return }
        X86.setTaskPriority(&registers, vcpu.taskPriority)
    }

    /// Gives KVM general and system registers.
    func storeAll() throws(KVMError) {
        precondition(machine.architecture == .x86_64, "arm64's registers are stored one by one")
        try vcpu.set(.system, from: registers.storage, at: X86.Storage.system)
        registers.changed = .general
        try storeChangedRegisters()
    }

    /// Gives KVM the general registers that were changed while parked; the others went at once (see `take`).
    func storeChangedRegisters() throws(KVMError) {
        guard !registers.changed.isEmpty else { return }
        switch machine.architecture {
        case .x86_64:
            try vcpu.set(.general, from: registers.storage, at: X86.Storage.general)
            // KVM keeps the trap flag in the registers just replaced, and the run page has the old ones.
            distrustDebugControl()
            sync.isPageStale = true
        case .arm64: try setArm(registers.changed, of: registers)
        }
        registers.changed = RegisterBlocks()
    }

    // MARK: - Model-specific registers by number

    func modelSpecific(_ index: UInt32) throws(Refusal) -> UInt64 {
        if let value = try controllerRegister(index, writing: nil) { return value }
        let found: UInt64?
        do throws(KVMError) { found = try vcpu.modelSpecific(index) } catch { throw Refusal("\(error)") }
        guard let found else { throw Refusal("this host's KVM knows no MSR \(hexadecimal(index))") }
        return found
    }

    func setModelSpecific(_ index: UInt32, to value: UInt64) throws(Refusal) {
        if try controllerRegister(index, writing: value) != nil { return }
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
        adoptTaskPriority()
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

    /// Why no guest has the registers of `file`.
    private func objection(to file: RegisterFile) -> String? {
        switch machine.architecture {
        case .x86_64: X86.objection(to: file, insteadOf: registers)
        case .arm64: Arm64.objection(to: file)
        }
    }

    private func store(
        _ blocks: RegisterBlocks, of file: RegisterFile, insteadOf old: RegisterFile
    ) throws(Refusal) {
        do throws(KVMError) {
            switch machine.architecture {
            case .x86_64:
                for place in Self.places where blocks.contains(place.blocks) {
                    try vcpu.set(place.block, from: file.storage, at: place.offset)
                }
                // Without the kernel's local APIC KVM loads CR8 from the run page.
                if !hasKernelAPIC, blocks.contains(.system) { vcpu.taskPriority = X86.taskPriority(file) }
                if blocks.contains(.extendedControl) {
                    try vcpu.setExtendedControl(file.storage.number(at: X86.Storage.extendedControl, count: 8))
                }
            case .arm64:
                try setArm(blocks, of: file, insteadOf: old)
                let count = Arm64.virtualCount(file)
                if count != Arm64.virtualCount(old) { machine.keptCount = count }
            }
        } catch {
            throw Refusal("the processor does not accept this value (\(error))")
        }
        guard blocks.contains(.modelSpecific) else { return }
        for (i, register) in X86.modelSpecificRegisters.enumerated() {
            let offset = X86.Storage.modelSpecific + i * 8
            let value: UInt64 = file.storage.number(at: offset, count: 8)
            if value == old.storage.number(at: offset, count: 8) { continue }
            guard (try? vcpu.setModelSpecific(register.index, to: value)) == true else {
                throw Refusal("the processor does not accept \(hexadecimal(value)) in \(register.name)")
            }
        }
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
}
