import Architecture
import Boot
import Host
import Interrupts
import KVM
import Primitives

/// The probe's guest: where things are in its 1 MiB, its instructions and its processor state.
enum ProbeGuest {
    static let code: UInt64 = 0x8000
    static let data: UInt64 = 0x9000
    private static let handlers: UInt64 = 0xa000
    private static let stackTop: UInt64 = 0xc000
    private static let interruptTable: UInt64 = 0xd000
    private static let descriptorTable: UInt64 = 0xe000
    private static let taskState: UInt64 = 0xe800
    /// A page that has no slot until it gets a read-only one.
    static let untouched = PhysicalAddress(0xf000)
    private static let pageTables: UInt64 = 0x1_0000
    static let vectorPort: UInt8 = 0x99
    static let readPort: UInt64 = 0x9c
    static let storedByte: UInt64 = 0x5a
    static let loadedByte: UInt64 = 0xa7

    // These bytes mean the same in 16-bit and 64-bit code. HLT ends each: it exits, or faults at CPL 3.
    /// `int3; hlt`
    static let breakpoint: [UInt8] = [0xcc, 0xf4]
    /// `in eax, dx; hlt`, of 16 bits in real mode
    static let portRead: [UInt8] = [X86Instruction.portReadOpcode, 0xf4]
    /// `nop; nop; hlt`
    static let plain: [UInt8] = [0x90, 0x90, 0xf4]
    /// `mov [bx], al` or `mov [rdi], al`; `nop; hlt`
    static let store: [UInt8] = [0x88, 0x07, 0x90, 0xf4]
    /// `mov al, [bx]` or `mov al, [rdi]`; `nop; hlt`
    static let load: [UInt8] = [0x8a, 0x07, 0x90, 0xf4]
    /// `popf; nop; nop; hlt`
    static let loadFlags: [UInt8] = [0x9d, 0x90, 0x90, 0xf4]

    /// `pushf; nop; hlt`
    static let storeFlags: [UInt8] = [0x9c, 0x90, 0xf4]
    /// Where it stores them.
    static let storedFlags = PhysicalAddress(stackTop - 8)

    /// `int 31; hlt`
    static let interrupt: [UInt8] = [0xcd, 31, 0xf4]
    /// `syscall; hlt`
    static let systemCall: [UInt8] = [0x0f, 0x05, 0xf4]
    /// `wrmsr; hlt`, to IA32_TSC_DEADLINE
    static let writeDeadline: [UInt8] = [0x0f, 0x30, 0xf4]
    /// IA32_STAR: selectors 8 and 0x10 for the kernel.
    static let systemCallSegments: UInt64 = 8 << 32 | 0x13 << 48

    /// `cpuid; hlt`
    static let identification: [UInt8] = [0x0f, 0xa2, 0xf4]

    static func handler(_ vector: UInt64) -> UInt64 { handlers + vector * 8 }

    /// Memory with the tables and handlers in place.
    static func memory() throws(KVMError) -> GuestMemory {
        guard let layout = try? MachineMemory(size: MachineMemory.sizes.lowerBound) else {
            preconditionFailure("the smallest memory is a valid size")
        }
        let memory: GuestMemory
        do throws(Errno) { memory = try GuestMemory(layout) } catch { throw KVMError(request: "mmap", errno: error) }
        func words(_ at: UInt64, _ values: [UInt64]) {
            for (i, value) in values.enumerated() { memory.store(value, size: 8, at: PhysicalAddress(at) + i * 8) }
        }
        for vector in 0..<32 as Range<UInt64> {
            let handler = handler(vector)
            // mov al, vector; out vectorPort, al; hlt
            let bytes = [0xb0, UInt8(vector), 0xe6, vectorPort, 0xf4]
            _ = memory.write(PhysicalAddress(handler), bytes[...])
            // Real mode: offset and segment. Long mode: an interrupt gate of DPL 3 through selector 8.
            memory.store(handler, size: 4, at: PhysicalAddress(vector * 4))
            words(interruptTable + vector * 16, [handler | 8 << 16 | 0xee << 40, 0])
        }
        // Kernel code and data, user data and code, each flat; then the task state's descriptor of 16 bytes.
        words(
            descriptorTable,
            [
                0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff,
                0x0000_8b00_0000_0067 | taskState << 16, 0,
            ])
        // RSP0, at byte 4.
        memory.store(stackTop - 0x100, size: 8, at: PhysicalAddress(taskState + 4))
        // No port is user mode's: the map of those that are would begin behind the segment's end.
        memory.store(0x68, size: 2, at: PhysicalAddress(taskState + 0x66))
        // One 2 MiB page, present, writable, for users too.
        words(pageTables, [pageTables + 0x1007])
        words(pageTables + 0x1000, [pageTables + 0x2007])
        words(pageTables + 0x2000, [0x87])
        // What POPF loads: no flag but the one that is always set.
        words(stackTop, [0x2])
        return memory
    }

    /// Brings a processor to the start of the code in `level`.
    static func prepare(_ file: inout RegisterFile, _ level: Probe.Level, data: UInt64) {
        let layout = X86.layout64
        func set(_ name: String, _ value: UInt64) { file.set(layout[name: name]!, to: value) }
        func segment(_ name: String, _ selector: UInt64, attributes: UInt64) {
            set(name, selector)
            set(name + "_base", 0)
            set(name + "_limit", level == .real ? 0xffff : 0xffff_ffff)
            set(name + "_attr", attributes)
        }
        let dataSelector: (UInt64, UInt64)
        switch level {
        case .real:
            set("cr0", 0x10)
            segment("cs", 0, attributes: 0x9b)
            dataSelector = (0, 0x93)
            set("idtr_base", 0)
            set("idtr_limit", 0x3ff)
        case .kernel, .user:
            set("cr4", 0x20)
            set("cr3", pageTables)
            set("efer", 0x501)
            set("cr0", 0x8000_0011)
            let user = level == .user
            segment("cs", user ? 0x23 : 0x8, attributes: user ? 0xa0fb : 0xa09b)
            dataSelector = user ? (0x1b, 0xc0f3) : (0x10, 0xc093)
            set("idtr_base", interruptTable)
            set("idtr_limit", 0x1ff)
            set("gdtr_base", descriptorTable)
            set("gdtr_limit", 0x37)
            set("tr", 0x28)
            set("tr_base", taskState)
            set("tr_limit", 0x67)
            set("tr_attr", 0x8b)
        }
        for name in ["ss", "ds", "es"] { segment(name, dataSelector.0, attributes: dataSelector.1) }
        set("eflags", 2)
        X86.setInstructionOffset(&file, to: code)
        set("rsp", stackTop)
        set("rax", storedByte)
        set("rdx", readPort)
        set("rcx", UInt64(LocalAPIC.deadlineRegister))
        set("rbx", data)
        set("rdi", data)
    }
}
