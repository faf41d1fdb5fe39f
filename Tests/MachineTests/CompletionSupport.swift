import Architecture
import Boot
import Debugger
import KVM
import Primitives

@testable import Machine

/// One instruction with all that it works on.
struct CompletionCase {
    var code: [UInt8]
    /// The general registers, RIP and RFLAGS, and the extended state.
    var registers: RegisterFile
    /// What lies on the data pages.
    var memory: [UInt8]
}

/// What one did.
struct CompletionResult {
    var registers: RegisterFile
    var memory: [UInt8]
    /// Nil where the instruction was executed.
    var fault: Fault?

    struct Fault: Equatable {
        let vector: UInt8
        let code: UInt64
        /// CR2 of a page fault.
        let address: UInt64
    }
}

/// The machine that both processors of a comparison have: the probe's guest, and data pages with several rights.
enum CompletionBoard {
    static let code: UInt64 = ProbeGuest.code
    /// Linear: two pages that are neighbours the other way round in physical memory, a read-only one, and none behind.
    static let data: UInt64 = 0x40_0000
    static let physical: UInt64 = 0x2_0000
    static let pages = 3
    static let count = pages * 0x1000
    private static let table: UInt64 = 0x1_4000
    private static let stackTop: UInt64 = 0xc000

    static func place(into memory: GuestMemory) throws {
        let original = try ProbeGuest.memory()
        var bytes = [UInt8](repeating: 0, count: 0x2_0000)
        _ = original.read(PhysicalAddress(0), into: &bytes)
        _ = memory.write(PhysicalAddress(0), bytes[...])
        memory.store(table | 7, size: 8, at: PhysicalAddress(0x1_2000 + 2 * 8))
        // Data pages 0 and 1 lie in physical memory in the other order.
        for (i, entry) in [(physical + 0x1000) | 7, physical | 7, (physical + 0x2000) | 5].enumerated() {
            memory.store(entry, size: 8, at: PhysicalAddress(table + UInt64(i) * 8))
        }
    }

    /// In linear order.
    static func data(in memory: GuestMemory) -> [UInt8] {
        var bytes: [UInt8] = []
        for page in [1, 0, 2] { _ = memory.append(0x1000, from: PhysicalAddress(physical) + page * 0x1000, to: &bytes) }
        return bytes
    }

    static func store(_ bytes: [UInt8], in memory: GuestMemory) {
        for (i, page) in [1, 0, 2].enumerated() {
            _ = memory.write(
                PhysicalAddress(physical) + page * 0x1000, bytes[i * 0x1000..<(i + 1) * 0x1000])
        }
    }

    /// The registers at the instruction of `test`, in `level`.
    static func registers(of test: CompletionCase, on fresh: RegisterFile, _ level: Probe.Level) -> RegisterFile {
        var file = fresh
        ProbeGuest.prepare(&file, level, data: data)
        file.storage.replaceSubrange(
            X86.Storage.generalBlock, with: test.registers.storage[X86.Storage.generalBlock])
        file.storage.replaceSubrange(
            X86.Storage.floatingPoint..<X86.Storage.debug,
            with: test.registers.storage[X86.Storage.floatingPoint..<X86.Storage.debug])
        // OSFXSR, OSXMMEXCPT, OSXSAVE; MP, NE, WP.
        file["cr4"] = 0x4_0620
        file["cr0"] = 0x8001_0033
        file["rip"] = code
        file["rsp"] = stackTop
        return file
    }

    /// The frame at `top` of an exception's handler.
    static func fault(_ vector: UInt8, _ file: RegisterFile, in memory: GuestMemory) -> CompletionResult.Fault {
        let hasCode = ExceptionVector(vector).pushesErrorCode
        let code = hasCode ? memory.load(PhysicalAddress(X86.stackPointer(file)), size: 8) : 0
        // Without the bit that says which mode it was.
        return CompletionResult.Fault(
            vector: vector, code: vector == 14 ? code & ~4 : code,
            address: vector == 14 ? X86.faultAddress(file).rawValue : 0)
    }
}

/// A processor that executes single instructions in user mode: on the real one.
final class NativeProcessor {
    let sandbox: Sandbox
    private let control: UInt64

    init(extendedControl: UInt64) throws {
        sandbox = try Sandbox(memorySize: 1 << 20)
        control = extendedControl
        try CompletionBoard.place(into: sandbox.memory)
        // Handlers that change nothing, each 8 bytes long: HLT exits.
        _ = sandbox.memory.write(
            PhysicalAddress(ProbeGuest.handler(0)), [UInt8](repeating: 0xf4, count: 32 * 8)[...])
    }

    func run(_ test: CompletionCase) throws -> CompletionResult {
        let memory = sandbox.memory
        // UD2 behind it.
        _ = memory.write(PhysicalAddress(CompletionBoard.code), (test.code + [0x0f, 0x0b])[...])
        CompletionBoard.store(test.memory, in: memory)
        let file = CompletionBoard.registers(of: test, on: sandbox.fresh, .user)
        try sandbox.set(file)
        try sandbox.vcpu.setExtendedControl(control)
        while true {
            let exit = try sandbox.vcpu.run()
            if exit == .halt { break }
            guard exit == .interrupted else { throw Failure.ended("\(exit)") }
        }
        var after = try sandbox.get()
        let vector = UInt8(truncatingIfNeeded: (X86.instructionOffset(after) - ProbeGuest.handler(0)) / 8)
        let top = PhysicalAddress(X86.stackPointer(after)) + (ExceptionVector(vector).pushesErrorCode ? 8 : 0)
        let end = memory.load(top, size: 8)
        let isDone = vector == 6 && end == CompletionBoard.code + UInt64(test.code.count)
        var result = CompletionResult(registers: after, memory: CompletionBoard.data(in: memory))
        if !isDone {
            result.fault = CompletionBoard.fault(vector, after, in: memory)
        }
        after["rip"] = end
        after["eflags"] = memory.load(top + 16, size: 8)
        after["rsp"] = memory.load(top + 24, size: 8)
        result.registers = after
        return result
    }

    enum Failure: Error { case ended(String) }
}

/// A machine that is stepped over one instruction of kernel mode after another.
final class CompletingMachine: DebugServer, @unchecked Sendable {
    // Only the one vCPU's thread calls while the machine runs; the test looks afterwards.
    private let next: (CompletionResult?, _ isCompleted: Bool) throws -> CompletionCase?
    private let control: UInt64
    private let isRunning: Bool
    private(set) var failure: String?
    private var completions: UInt64 = 0
    private var fresh = RegisterFile(size: X86.Storage.size)

    private init(
        extendedControl: UInt64, isRunning: Bool, _ next: @escaping (CompletionResult?, Bool) throws -> CompletionCase?
    ) { (control, self.isRunning, self.next) = (extendedControl, isRunning, next) }

    /// Steps over the instructions that `next` gives, and gives it what became of each, with whether it was completed
    /// here and not by KVM; or runs each to the HLT behind it. What went wrong, if anything.
    static func run(
        extendedControl: UInt64, isRunning: Bool = false,
        _ next: @escaping (CompletionResult?, _ isCompleted: Bool) throws -> CompletionCase?
    ) throws -> String? {
        let memory = try MachineMemory(size: 1 << 20)
        let image = try Boot.load(
            [0x90], options: LoadOptions(format: .flat, loadAddress: PhysicalAddress(0xf_0000)), into: memory)
        let configuration = MachineConfiguration(
            memory: memory, processorCount: 1, interruptController: .apic, image: MachineImage(image, from: [0x90]),
            name: "completion", isRunning: false)
        let server = CompletingMachine(extendedControl: extendedControl, isRunning: isRunning, next)
        _ = try VirtualMachine(configuration, console: Console(.none), server: server).run()
        return server.failure
    }

    func serve(_ stop: StopEvent, on machine: VirtualMachine) -> ResumePlan? {
        do {
            var result: CompletionResult?
            if stop.cause == .held {
                try CompletionBoard.place(into: machine.guestMemory)
                fresh = machine.registers(of: 0, having: .all)
            } else {
                guard stop.cause == (isRunning ? .haltedForGood : .stepped) else {
                    throw NativeProcessor.Failure.ended("\(stop)")
                }
                result = self.result(machine)
            }
            let count = machine.processors[0].counts.exits.completionCount
            defer { completions = count }
            guard let test = try next(result, count > completions) else {
                machine.end(.killed)
                return nil
            }
            try prepare(test, machine)
        } catch {
            failure = "\(error)"
            machine.end(.killed)
            return nil
        }
        return ResumePlan(actions: [isRunning ? .run : .step])
    }

    private func result(_ machine: VirtualMachine) -> CompletionResult {
        let file = machine.registers(of: 0, having: [.general, .system, .floatingPoint])
        var result = CompletionResult(registers: file, memory: CompletionBoard.data(in: machine.guestMemory))
        if isRunning { result.registers["rip"] -= 1 }
        let place = X86.instructionOffset(file)
        if place >= ProbeGuest.handler(0), place < ProbeGuest.handler(32) {
            let vector = UInt8((place - ProbeGuest.handler(0)) / 8)
            result.fault = CompletionBoard.fault(vector, file, in: machine.guestMemory)
        }
        return result
    }

    private func prepare(_ test: CompletionCase, _ machine: VirtualMachine) throws {
        _ = machine.guestMemory.write(PhysicalAddress(CompletionBoard.code), (test.code + [0xf4])[...])
        CompletionBoard.store(test.memory, in: machine.guestMemory)
        var file = CompletionBoard.registers(of: test, on: fresh, .kernel)
        file.storage.store(control, at: X86.Storage.extendedControl, count: 8)
        file.changed = [.general, .system, .floatingPoint, .extendedControl]
        // KVM takes it as it is.
        let processor = machine.processors[0]
        try processor.set(file.changed, of: file, insteadOf: processor.registers)
        processor.noteReplacement()
        processor.registers = file
        processor.registers.changed = []
        processor.registers.present = []
        processor.forgetRegisters()
        processor.delivery.activity = .runnable
    }

    func beginListening(on thread: Int32) -> Bool { false }
    func endListening() {}
    func show(_ text: [UInt8]) {}
    func wantsStop() -> Bool { false }
}
