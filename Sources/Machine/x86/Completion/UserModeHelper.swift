import Architecture
import Boot
import Host
import KVM
import Primitives

/// A virtual machine whose one processor executes single instructions of user mode for a vCPU of the guest: hosts whose KVM
/// emulates kernel mode run user mode on the processor itself. All of the guest's memory is mapped there, at `window`, so
/// that atomic instructions stay atomic. It is its vCPU's thread's own.
final class UserModeHelper {
    /// Where an instruction ended.
    enum Outcome: Equatable {
        case done
        /// Raised by the instruction at `offset` in the code.
        case exception(ExceptionVector, errorCode: UInt32, offset: Int)
        /// The helper itself failed.
        case failed(String)
    }

    private let vm: VM
    private let vcpu: VCPU
    /// Its own: tables, stacks, handlers, the code page, room for copies.
    private let memory: GuestMemory
    /// The registers in the last run, in the places of a RegisterFile.
    private var file = RegisterFile(size: X86.Storage.size)
    private var code: [UInt8] = []
    private var extendedControl: UInt64?

    /// Linear addresses. All of the first 2 MiB is one page, which user mode may use.
    private enum Place {
        static let tables: UInt64 = 0x1000
        static let code: UInt64 = 0x4000
        static let handlers: UInt64 = 0x5000
        static let interruptReturn: UInt64 = 0x5800
        static let frame: UInt64 = 0x6800
        static let stackTop: UInt64 = 0x7000
        static let interruptTable: UInt64 = 0x7000
        static let descriptorTable: UInt64 = 0x8000
        static let taskState: UInt64 = 0x8800
        static let copy: UInt64 = 0x9000
        static let windowTables: UInt64 = 0x1_0000
        static let intelPages = PhysicalAddress(0x30_0000)
    }

    /// Where physical address 0 of the guest is, in linear addresses and in the helper's physical ones.
    static let window: UInt64 = 1 << 39
    private static let physicalWindow: UInt64 = 1 << 30
    /// How many bytes `copy` has room for, wherever in its first page they begin.
    static let copyCapacity = 0x6000

    init(_ guest: GuestMemory) throws(KVMError) {
        let system = try System()
        vm = try system.makeVM()
        let end = guest.ranges.last!.upperBound.rawValue
        let gigabytes = (end + (1 << 30) - 1) >> 30
        memory = try Self.makeMemory(size: max(0x10_0000, Place.windowTables + (gigabytes + 1) * 0x1000))
        try vm.reserveIntelPages(at: Place.intelPages)
        let start = PhysicalAddress(0)
        try vm.setMemory(slot: 0, guest: start, host: memory.host(start), count: Int(memory.size))
        for (i, range) in guest.ranges.enumerated() {
            try vm.setMemory(
                slot: UInt32(i + 1), guest: range.lowerBound + Int(Self.physicalWindow),
                host: guest.host(range.lowerBound), count: Int(range.upperBound.rawValue - range.lowerBound.rawValue))
        }
        vcpu = try vm.makeVCPU(0)
        try vcpu.setProcessor(try system.supportedProcessor())
        placeTables(gigabytes)
        try prepareProcessor()
    }

    private static func makeMemory(size: UInt64) throws(KVMError) -> GuestMemory {
        guard let layout = try? MachineMemory(size: size) else { preconditionFailure("a valid size") }
        do throws(Errno) { return try GuestMemory(layout) } catch { throw KVMError(request: "mmap", errno: error) }
    }

    private func placeTables(_ gigabytes: UInt64) {
        func words(_ at: UInt64, _ values: [UInt64]) {
            for (i, value) in values.enumerated() { memory.store(value, size: 8, at: PhysicalAddress(at) + i * 8) }
        }
        // HLT exits.
        _ = memory.write(PhysicalAddress(Place.handlers), [UInt8](repeating: 0xf4, count: 32 * 16)[...])
        _ = memory.write(PhysicalAddress(Place.interruptReturn), [0x48, 0xcf])
        for vector in 0..<32 as Range<UInt64> {
            let handler = Place.handlers + vector * 16
            words(Place.interruptTable + vector * 16, [handler | 8 << 16 | 0xee << 40, 0])
        }
        // Kernel code and data, user data and code, each flat; then the task state's descriptor of 16 bytes.
        words(
            Place.descriptorTable,
            [
                0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff,
                0x0000_8b00_0000_0067 | Place.taskState << 16, 0,
            ])
        // RSP0.
        memory.store(Place.stackTop, size: 8, at: PhysicalAddress(Place.taskState + 4))
        memory.store(0x68, size: 2, at: PhysicalAddress(Place.taskState + 0x66))
        // Pages of 2 MiB, present, writable, for users too.
        words(Place.tables, [Place.tables + 0x1007, Place.windowTables | 7])
        words(Place.tables + 0x1000, [Place.tables + 0x2007])
        words(Place.tables + 0x2000, [0x87])
        for gigabyte in 0..<gigabytes {
            let table = Place.windowTables + (gigabyte + 1) * 0x1000
            words(Place.windowTables + gigabyte * 8, [table | 7])
            words(table, (0..<512).map { Self.physicalWindow + gigabyte << 30 + $0 << 21 | 0x87 })
        }
    }

    private func prepareProcessor() throws(KVMError) {
        try vcpu.get(.system, into: &file.storage, at: X86.Storage.system)
        let layout = X86.layout64
        func set(_ name: String, _ value: UInt64) { file.set(layout[name: name]!, to: value) }
        func segment(_ name: String, _ selector: UInt64, limit: UInt64 = 0xffff_ffff, attributes: UInt64) {
            set(name, selector)
            set(name + "_base", 0)
            set(name + "_limit", limit)
            set(name + "_attr", attributes)
        }
        // PAE, OSFXSR, OSXMMEXCPT, OSXSAVE.
        set("cr4", 0x4_0620)
        set("cr3", Place.tables)
        set("efer", 0x501)
        // PE, MP, ET, NE, WP, PG.
        set("cr0", 0x8001_0033)
        segment("cs", 0x8, attributes: 0xa09b)
        for name in ["ss", "ds", "es"] { segment(name, 0x10, attributes: 0xc093) }
        segment("tr", 0x28, limit: 0x67, attributes: 0x8b)
        set("tr_base", Place.taskState)
        set("idtr_base", Place.interruptTable)
        set("idtr_limit", 0x1ff)
        set("gdtr_base", Place.descriptorTable)
        set("gdtr_limit", 0x37)
        try vcpu.set(.system, from: file.storage, at: X86.Storage.system)
    }

    // MARK: - Memory

    /// Where its processor sees the guest's memory at `place`.
    static func address(of place: PhysicalAddress) -> UInt64 { window + place.rawValue }

    /// Puts a copy of an operand where its processor sees it, at the same offset in a page: its linear address.
    func place(_ bytes: [UInt8], at address: VirtualAddress) -> UInt64 {
        let place = Place.copy + address.rawValue & 0xfff
        _ = memory.write(PhysicalAddress(place), bytes[...])
        return place
    }

    /// What is in the copy of `count` bytes at the linear address `place` now.
    func copy(at place: UInt64, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        _ = memory.read(PhysicalAddress(place), into: &bytes)
        return bytes
    }

    // MARK: - Execution

    /// Flags that an instruction of user mode may change: the status flags and the direction flag.
    private static let flags: UInt64 = 0xcd5

    /// XCR0, where the next instruction depends on it.
    func setExtendedControl(_ value: UInt64) throws(KVMError) {
        guard value != extendedControl else { return }
        try vcpu.setExtendedControl(value)
        extendedControl = value
    }

    /// Executes `instruction`, 64-bit code of one page at most, once: with the general registers of `registers`, and with the
    /// extended state where it is said to use that. RIP stays as it was.
    func execute(
        _ instruction: [UInt8], _ registers: inout RegisterFile, usesExtendedState: Bool
    ) throws(KVMError) -> Outcome {
        if instruction != code {
            // UD2 behind it.
            _ = memory.write(PhysicalAddress(Place.code), (instruction + [0x0f, 0x0b])[...])
            code = instruction
        }
        let flags = X86.flagsRegister(registers)
        let frame = [Place.code, 0x23, flags & Self.flags | 0x202, X86.stackPointer(registers), 0x1b]
        for (i, word) in frame.enumerated() { memory.store(word, size: 8, at: PhysicalAddress(Place.frame) + i * 8) }
        let offset = X86.instructionOffset(registers)
        file.storage.replaceSubrange(X86.Storage.generalBlock, with: registers.storage[X86.Storage.generalBlock])
        X86.setStackPointer(&file, to: Place.frame)
        X86.setInstructionOffset(&file, to: Place.interruptReturn)
        X86.setFlags(&file, to: 2)
        try vcpu.set(.general, from: file.storage, at: X86.Storage.general)
        if usesExtendedState { try vcpu.set(.floatingPoint, from: registers.storage, at: X86.Storage.floatingPoint) }
        while true {
            let exit = try vcpu.run()
            if exit == .halt { break }
            // A signal that calls the guest's vCPU.
            guard exit == .interrupted else { return .failed("\(exit)") }
        }
        try vcpu.get(.general, into: &file.storage, at: X86.Storage.general)
        let vector = ExceptionVector(
            UInt8(truncatingIfNeeded: (X86.instructionOffset(file) &- Place.handlers) >> 4))
        var top = PhysicalAddress(X86.stackPointer(file))
        func pop() -> UInt64 {
            defer { top = top + 8 }
            return memory.load(top, size: 8)
        }
        let errorCode = vector.pushesErrorCode ? UInt32(truncatingIfNeeded: pop()) : 0
        let end = pop()
        _ = pop()
        let newFlags = pop()
        let stackPointer = pop()
        let general = X86.Storage.generalBlock
        registers.storage.replaceSubrange(general, with: file.storage[general])
        X86.setStackPointer(&registers, to: stackPointer)
        X86.setInstructionOffset(&registers, to: offset)
        X86.setFlags(&registers, to: flags & ~Self.flags | newFlags & Self.flags)
        // A numeric exception leaves its flags in the state.
        if usesExtendedState { try vcpu.get(.floatingPoint, into: &registers.storage, at: X86.Storage.floatingPoint) }
        if vector == .invalidOpcode, end == Place.code + UInt64(instruction.count) { return .done }
        guard end >= Place.code, end < Place.code + UInt64(instruction.count) else {
            return .failed("\(vector) at \(hexadecimal(end))")
        }
        return .exception(vector, errorCode: errorCode, offset: Int(end - Place.code))
    }

    /// Where the code is that `execute` runs.
    static let codeAddress = Place.code
}
