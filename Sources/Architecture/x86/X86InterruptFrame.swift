import Primitives

// What the processor pushes when it enters a handler, and going back from it (Intel SDM volume 3, sections 6.12.1,
// 6.14.2 and 21.1.2; volume 2, IRET). Left out: returns to virtual-8086 mode and task returns.

/// The interrupted program, as the handler finds it on its stack.
package struct X86InterruptFrame: Equatable, Sendable {
    package struct Stack: Equatable, Sendable {
        package var pointer: UInt64
        package var selector: UInt16
    }

    /// RIP: the offset in the code segment.
    package var instructionOffset: UInt64
    package var codeSelector: UInt16
    package var flags: UInt64
    /// Absent where the stack was not changed and so not pushed.
    package var stack: Stack?
    package var errorCode: UInt32?
    /// Where RFLAGS lies on the stack.
    package let flagsAddress: VirtualAddress

    /// Reads a frame whose lowest word, the error code if there is one, is at `top`. `wordSize` is 2 (real mode), 4 or
    /// 8 (long mode, where the stack is always pushed). Nil where it cannot be read.
    package init?(
        at top: VirtualAddress, wordSize: Int, hasErrorCode: Bool, read: (VirtualAddress, Int) -> [UInt8]?
    ) {
        var next = top
        func pop() -> UInt64? {
            guard let bytes = read(next, wordSize), bytes.count == wordSize else { return nil }
            next = next + wordSize
            return bytes.number(at: 0, count: wordSize)
        }
        if hasErrorCode {
            guard let code = pop() else { return nil }
            errorCode = UInt32(truncatingIfNeeded: code)
        }
        guard let offset = pop(), let code = pop() else { return nil }
        flagsAddress = next
        guard let flags = pop() else { return nil }
        (instructionOffset, codeSelector, self.flags) = (offset, UInt16(truncatingIfNeeded: code), flags)
        if wordSize == 8 || (wordSize == 4 && code & 3 != 0) {
            guard let pointer = pop(), let selector = pop() else { return nil }
            stack = Stack(pointer: pointer, selector: UInt16(truncatingIfNeeded: selector))
        }
    }

    /// What a frame says of the place where it was pushed.
    package struct Origin: Sendable {
        /// The linear address.
        package let place: VirtualAddress
        private let offset: UInt64
        private let codeSelector: UInt16
        private let flags: UInt64

        package init(_ file: RegisterFile) {
            place = X86.programCounter(file)
            offset = X86.instructionOffset(file)
            codeSelector = X86.codeSelector(file)
            flags = X86.flagsRegister(file)
        }

        /// Whether `frame` was pushed there, but for the flags that a step may change: IF, TF and RF.
        package func matches(_ frame: X86InterruptFrame, wordSize: Int) -> Bool {
            let ignored = X86.interruptFlag | X86.trapFlag | X86.resumeFlag
            let mask = (wordSize == 2 ? 0xffff : UInt64.max) & ~ignored
            return frame.instructionOffset == offset && frame.codeSelector == codeSelector
                && (frame.flags ^ flags) & mask == 0
        }
    }

    /// Whether it is user mode's: CPL 3, which the selectors' privilege bits say.
    package var isUser: Bool {
        guard codeSelector & 3 == 3, flags[bit: 1], !flags[bit: 17] else { return false }
        return stack.map { $0.selector & 3 == 3 } ?? false
    }
}

extension X86 {
    /// RFLAGS.TF: a debug exception after the next instruction.
    package static let trapFlag: UInt64 = 1 << 8
    /// RFLAGS.IF.
    package static let interruptFlag: UInt64 = 1 << 9
    /// RFLAGS.RF: the next instruction is not held back by a breakpoint on it.
    package static let resumeFlag: UInt64 = 1 << 16

    package static func flagsRegister(_ file: RegisterFile) -> UInt64 { file.field(Field.flags) }

    /// RIP: the offset in CS.
    package static func instructionOffset(_ file: RegisterFile) -> UInt64 { file.field(Field.instructionPointer) }

    package static func codeSelector(_ file: RegisterFile) -> UInt16 {
        file.storage.number(at: Field.codeSegment + 12, count: 2)
    }

    package static func setFlags(_ file: inout RegisterFile, to value: UInt64) {
        file.storage.store(value, at: Field.flags, count: 8)
        file.changed.formUnion(.general)
    }

    /// SYSCALL's registers (Intel SDM volume 2, SYSCALL and SYSRET).
    package enum SystemCall {
        /// IA32_STAR: selectors.
        package static let segments: UInt32 = 0xc000_0081
        /// IA32_LSTAR: the entry from 64-bit code.
        package static let target: UInt32 = 0xc000_0082
        /// IA32_FMASK: flags that the entry clears.
        package static let flagMask: UInt32 = 0xc000_0084
        /// What SYSRET takes over from R11.
        package static let restoredFlags: UInt64 = 0x3c_7fd7
    }

    /// RCX: where SYSRET goes.
    package static func systemCallReturn(_ file: RegisterFile) -> VirtualAddress {
        VirtualAddress(file.field(Storage.general + 16))
    }

    /// R11: the flags that SYSCALL saved.
    package static func savedFlags(_ file: RegisterFile) -> UInt64 { file.field(Storage.general + 88) }

    package static func setSavedFlags(_ file: inout RegisterFile, to value: UInt64) {
        file.storage.store(value, at: Storage.general + 88, count: 8)
        file.changed.formUnion(.general)
    }

    package static func setStackPointer(_ file: inout RegisterFile, to value: UInt64) {
        file.storage.store(value, at: Field.stackPointer, count: 8)
        file.changed.formUnion(.general)
    }

    package static func stackPointer(_ file: RegisterFile) -> UInt64 { file.field(Field.stackPointer) }

    /// The linear address of the stack's top: in 64-bit code the stack segment has no base.
    package static func stackTop(_ file: RegisterFile) -> VirtualAddress {
        let pointer = stackPointer(file)
        let segment = Field.stackSegment
        if mode(file) == .long { return VirtualAddress(pointer) }
        let width: UInt64 = file.storage[segment + 17] != 0 ? 0xffff_ffff : 0xffff
        return VirtualAddress((file.field(segment) &+ pointer & width) & 0xffff_ffff)
    }

    /// TR's selector: null until the guest has a task state segment, without which nothing leaves user mode.
    package static func taskSelector(_ file: RegisterFile) -> UInt16 {
        file.storage.number(at: Field.taskSegment + 12, count: 2)
    }

    /// Makes the processor what it was before the frame was pushed; false, and nothing changed, where the GDT (by
    /// `descriptor`) has no such segments.
    package static func leave(
        _ frame: X86InterruptFrame, _ file: inout RegisterFile, descriptor: (UInt16) -> UInt64?
    ) -> Bool {
        guard let stack = frame.stack, let code = descriptor(frame.codeSelector), isCode(code) else { return false }
        // Long mode lets the stack segment be null, at the new privilege level.
        guard let data = stack.selector & ~3 == 0 ? flatStack(frame.codeSelector & 3) : descriptor(stack.selector)
        else { return false }
        load(&file, Field.codeSegment, frame.codeSelector, code)
        load(&file, Field.stackSegment, stack.selector, data)
        file.storage.store(stack.pointer, at: Field.stackPointer, count: 8)
        setInstructionOffset(&file, to: frame.instructionOffset)
        setFlags(&file, to: frame.flags | 2)
        return true
    }

    /// What IRET and SYSRET to an outer level do besides: segments that the level must not use become null.
    package static func dropPrivilegedSegments(_ file: inout RegisterFile) {
        for segment in Field.dataSegments {
            let dpl = file.storage[segment + 16]
            let isConforming = file.storage[segment + 14] & 0xc == 0xc
            let selector: UInt16 = file.storage.number(at: segment + 12, count: 2)
            guard selector & ~3 != 0, dpl < 3, !isConforming else { continue }
            file.storage.store(0 as UInt16, at: segment + 12, count: 2)
            file.storage[segment + 22] = 1
        }
        file.changed.formUnion(.system)
    }

    /// What SYSCALL loads into CS and SS: 64-bit code and flat data of level 0 (Intel SDM volume 2, SYSCALL).
    package static func enterKernel(_ file: inout RegisterFile, star: UInt64) {
        let selector = UInt16(star[bits: 32...47]) & ~3
        load(&file, Field.codeSegment, selector, 0x00af_9b00_0000_ffff)
        load(&file, Field.stackSegment, selector &+ 8, 0x00cf_9300_0000_ffff)
    }

    /// What SYSRET with a 64-bit operand loads: the same of level 3.
    package static func enterUser(_ file: inout RegisterFile, star: UInt64) {
        let selector = UInt16(star[bits: 48...63])
        load(&file, Field.codeSegment, (selector &+ 16) | 3, 0x00af_fb00_0000_ffff)
        load(&file, Field.stackSegment, (selector &+ 8) | 3, 0x00cf_f300_0000_ffff)
    }

    /// The linear address of an offset in a code segment: 64-bit code has no base.
    package static func linearAddress(of offset: UInt64, inCode descriptor: UInt64) -> VirtualAddress {
        if descriptor[bit: 53] { return VirtualAddress(offset) }
        let base = descriptor[bits: 16...39] | descriptor[bits: 56...63] << 24
        return VirtualAddress((base &+ offset) & 0xffff_ffff)
    }

    private static func isCode(_ descriptor: UInt64) -> Bool { descriptor[bits: 43...44] == 3 && descriptor[bit: 47] }

    private static func flatStack(_ level: UInt16) -> UInt64 { 0x00cf_9300_0000_ffff | UInt64(level) << 45 }

    /// Loads a segment register (a `struct kvm_segment` at `offset`) from an 8-byte descriptor.
    private static func load(_ file: inout RegisterFile, _ offset: Int, _ selector: UInt16, _ descriptor: UInt64) {
        let base = descriptor[bits: 16...39] | descriptor[bits: 56...63] << 24
        let isLarge = descriptor[bit: 55]
        let limit = descriptor[bits: 0...15] | descriptor[bits: 48...51] << 16
        file.storage.store(base, at: offset, count: 8)
        file.storage.store(isLarge ? limit << 12 | 0xfff : limit, at: offset + 8, count: 4)
        file.storage.store(selector, at: offset + 12, count: 2)
        // Type (with the accessed bit, which loading sets), present, DPL, D/B, S, L, G, AVL, unusable.
        let fields = [
            descriptor[bits: 40...43] | 1, descriptor[bits: 47...47], descriptor[bits: 45...46],
            descriptor[bits: 54...54], descriptor[bits: 44...44], descriptor[bits: 53...53],
            descriptor[bits: 55...55], descriptor[bits: 52...52], 0,
        ]
        for (i, field) in fields.enumerated() { file.storage[offset + 14 + i] = UInt8(field) }
        file.changed.formUnion(.system)
    }
}
