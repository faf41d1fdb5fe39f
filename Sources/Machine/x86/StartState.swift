import Architecture
import Boot
import Primitives

extension Processor {
    /// A boot image's start state as registers.
    func set(_ start: StartState) {
        func set(_ name: String, _ value: UInt64) { registers.set(X86.layout64[name: name]!, to: value) }
        func segment(_ name: String, _ value: SegmentRegister) {
            set(name, UInt64(value.selector))
            set(name + "_base", value.base)
            set(name + "_limit", UInt64(value.limit))
            set(name + "_attr", UInt64(value.attributes))
        }
        for (name, value) in [
            ("cr4", start.cr4), ("cr3", start.cr3), ("efer", start.efer), ("cr0", start.cr0),
            ("gdtr_base", start.gdt.base.rawValue), ("gdtr_limit", UInt64(start.gdt.limit)),
            ("idtr_base", start.idt.base.rawValue), ("idtr_limit", UInt64(start.idt.limit)),
            ("eflags", start.flags), ("rax", start.rax), ("rbx", start.rbx), ("rcx", 0), ("rdx", 0),
            ("rsi", start.rsi), ("rdi", start.rdi), ("rsp", start.rsp),
        ] {
            set(name, value)
        }
        segment("cs", start.code)
        for name in ["ds", "es", "fs", "gs"] { segment(name, start.data) }
        segment("ss", start.stack)
        segment("tr", start.task)
        X86.setInstructionOffset(&registers, to: start.instructionPointer)
    }
}
