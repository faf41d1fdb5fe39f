import Architecture
import KVM
import Primitives

// Instructions of kernel mode that KVM could not emulate and that are done here (see X86CompletedInstruction).
extension Processor {
    /// Completes the instruction that begins with `bytes`, which is next; nil where it is none of those.
    func completePrivileged(_ bytes: [UInt8]) throws(KVMError) -> Outcome? {
        guard let form = X86InstructionForm(bytes, registers), let instruction = X86CompletedInstruction(form) else {
            return nil
        }
        counts.exits.completed(instruction.name)
        switch instruction {
        case .nothing: break
        case .setAlignmentFlag(let isSet):
            let flags = X86.flagsRegister(registers) & ~X86.alignmentFlag
            X86.setFlags(&registers, to: isSet ? flags | X86.alignmentFlag : flags)
        case .invalidateTranslations:
            X86.toggleGlobalPages(&registers)
            try storeAll()
            X86.toggleGlobalPages(&registers)
            try storeAll()
        case .readTimeStamp:
            set(try vcpu.modelSpecific(X86ModelSpecific.timeStamp) ?? 0)
            X86.setGeneral(1, &registers, to: try vcpu.modelSpecific(X86ModelSpecific.processorNumber) ?? 0)
        case .readProcessorNumber(let register):
            X86.setGeneral(register, &registers, to: try vcpu.modelSpecific(X86ModelSpecific.processorNumber) ?? 0)
        case .segmentBase(let isGS, let isWrite, let register, let isWide):
            guard X86.hasBaseInstructions(registers), X86.mode(registers) == .long else {
                return try raise(.invalidOpcode, errorCode: 0)
            }
            let mask = UInt64.mask(isWide ? 64 : 32)
            guard isWrite else {
                X86.setGeneral(register, &registers, to: X86.segmentBase(isGS: isGS, registers) & mask)
                break
            }
            let value = X86.general(register, registers) & mask
            if X86.paging(registers).hole?.contains(value) == true {
                return try raise(.generalProtection, errorCode: 0)
            }
            X86.setSegmentBase(isGS: isGS, &registers, to: value)
            try storeAll()
        case .getExtendedControl, .setExtendedControl:
            guard X86.usesExtendedControl(registers) else { return try raise(.invalidOpcode, errorCode: 0) }
            let number = UInt32(truncatingIfNeeded: X86.general(1, registers))
            guard number == 0 else { return try raise(.generalProtection, errorCode: 0) }
            if instruction == .getExtendedControl {
                set(try vcpu.extendedControl())
            } else {
                let value = X86.general(2, registers) << 32 | X86.general(0, registers) & 0xffff_ffff
                do throws(KVMError) { try vcpu.setExtendedControl(value) } catch {
                    return try raise(.generalProtection, errorCode: 0)
                }
                registers.present.subtract(.extendedControl)
            }
        }
        return try goBehind(form.length)
    }

    /// EDX:EAX.
    private func set(_ value: UInt64) {
        X86.setGeneral(0, &registers, to: value & 0xffff_ffff)
        X86.setGeneral(2, &registers, to: value >> 32)
    }
}
