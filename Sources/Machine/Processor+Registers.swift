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
        pending = nil
        reported = nil
        isArmed = false
        fetch(.ofEveryExit)
    }

    /// Makes `blocks` present. What KVM refuses to give reads as zero.
    func fetch(_ blocks: RegisterBlocks) {
        let missing = blocks.subtracting(registers.present)
        guard !missing.isEmpty else { return }
        for place in Self.places where missing.contains(place.blocks) {
            try? vcpu.get(place.block, into: &registers.storage, at: place.offset)
        }
        if missing.contains(.modelSpecific), let values = try? vcpu.modelSpecific(Self.modelSpecific) {
            for (i, value) in values.enumerated() {
                registers.storage.store(value, at: X86.Storage.modelSpecific + i * 8, count: 8)
            }
        }
        registers.present.formUnion(missing)
    }

    /// Takes changed registers. All but the general ones go to KVM now, so that a value it refuses is the user's to
    /// know; KVM never refuses general ones, which go with the next resume.
    func take(_ file: RegisterFile) throws(Refusal) {
        let old = registers
        registers = file
        do throws(KVMError) {
            for place in Self.places where place.blocks != .general && file.changed.contains(place.blocks) {
                try vcpu.set(place.block, from: file.storage, at: place.offset)
            }
        } catch {
            registers = old
            throw Refusal("the processor does not accept this value (\(error))")
        }
        if file.changed.contains(.modelSpecific) { try storeModelSpecific(insteadOf: old) }
        registers.changed.formIntersection(.general)
    }

    private func storeModelSpecific(insteadOf old: RegisterFile) throws(Refusal) {
        for (i, register) in X86.modelSpecificRegisters.enumerated() {
            let offset = X86.Storage.modelSpecific + i * 8
            let value: UInt64 = registers.storage.number(at: offset, count: 8)
            if value == old.storage.number(at: offset, count: 8) { continue }
            guard (try? vcpu.setModelSpecific(register.index, to: value)) == true else {
                registers = old
                throw Refusal("the processor does not accept \(hexadecimal(value)) in \(register.name)")
            }
        }
    }

    /// Gives the processor its state at the image's first instruction, on top of what KVM made.
    func prepare(_ start: StartState) throws(KVMError) {
        try vcpu.get(.general, into: &registers.storage, at: X86.Storage.general)
        try vcpu.get(.system, into: &registers.storage, at: X86.Storage.system)
        registers.present = .ofEveryExit
        // The others wait for a start-up interrupt, in the state of a reset.
        guard index == 0 else { return }
        set(start)
        try vcpu.set(.system, from: registers.storage, at: X86.Storage.system)
        try vcpu.set(.general, from: registers.storage, at: X86.Storage.general)
        registers.changed = []
    }
}
