import Architecture
import Interrupts
import KVM
import Primitives

@testable import Machine

/// The kernel's own interrupt controllers, driven by a guest that does what a list in its memory says: accesses, and
/// taking one interrupt. In 32-bit protected mode without paging, where every address is its own.
final class KernelBoard {
    enum Operation {
        case store(address: UInt32, UInt32)
        case out(port: UInt16, UInt8)
        case load(address: UInt32)
        case input(port: UInt16)
        case writeRegister(UInt32, UInt32)
        /// Interrupts are allowed until one has come, or for 1,200 instructions: a KVM that emulates looks for
        /// interrupts once in 1,024.
        case take

        fileprivate var words: [UInt32] {
            switch self {
            case .store(let address, let value): [1, address, value]
            case .out(let port, let value): [2, UInt32(port), UInt32(value)]
            case .load(let address): [3, address, 0]
            case .input(let port): [4, UInt32(port), 0]
            case .writeRegister(let number, let value): [5, number, value]
            case .take: [6, 0, 0]
            }
        }
    }

    private static let code: UInt64 = 0x8000
    private static let handler: UInt64 = 0x8100
    private static let descriptors: UInt64 = 0x8200
    private static let gates: UInt64 = 0x9000
    private static let list: UInt64 = 0x1_0000
    private static let results: UInt64 = 0x4_0000
    private static let stackTop: UInt64 = 0x8_0000

    private static let program: [UInt8] = [
        0xbe, 0x00, 0x00, 0x01, 0x00,  //  0  begin: mov esi, list
        0xbf, 0x00, 0x00, 0x04, 0x00,  //  5         mov edi, results
        0xad,  //                         10  next:  lodsd            ; what
        0x89, 0xc1,  //                   11         mov ecx, eax
        0xad,  //                         13         lodsd            ; where
        0x89, 0xc2,  //                   14         mov edx, eax
        0xad,  //                         16         lodsd            ; value
        0x49, 0x78, 0x2b,  //             17         dec ecx; js done
        0x74, 0x0e,  //                   20         jz store
        0x49, 0x74, 0x0f,  //             22         dec ecx; jz out
        0x49, 0x74, 0x0f,  //             25         dec ecx; jz load
        0x49, 0x74, 0x11,  //             28         dec ecx; jz input
        0x49, 0x74, 0x15,  //             31         dec ecx; jz wrmsr
        0xeb, 0x1f,  //                   34         jmp take
        0x89, 0x02, 0xeb, 0xe2,  //       36  store: mov [edx], eax; jmp next
        0xee, 0xeb, 0xdf,  //             40  out:   out dx, al; jmp next
        0x8b, 0x02, 0xab, 0xeb, 0xda,  // 43  load:  mov eax, [edx]; stosd; jmp next
        0xec, 0x0f, 0xb6, 0xc0, 0xab,  // 48  input: in al, dx; movzx eax, al; stosd
        0xeb, 0xd3,  //                   53         jmp next
        0x89, 0xd1, 0x31, 0xd2,  //       55  wrmsr: mov ecx, edx; xor edx, edx
        0x0f, 0x30, 0xeb, 0xcb,  //       59         wrmsr; jmp next
        0xe6, 0xf4, 0xeb, 0xbd,  //       63  done:  out 0xf4, al; jmp begin
        0xfb, 0xb9, 0xb0, 0x04, 0, 0,  // 67  take:  sti; mov ecx, 1200
        0xe2, 0xfe,  //                   73         loop $
        0xfa, 0xeb, 0xbc,  //             75         cli; jmp next
    ]

    /// Ends the loop and goes back with interrupts disabled, as they are here: `mov ecx, 1; pop ebx; add esp, 8;
    /// jmp ebx`. Not every KVM can emulate IRETD.
    private static let handlerCode: [UInt8] = [0xb9, 1, 0, 0, 0, 0x5b, 0x83, 0xc4, 0x08, 0xff, 0xe3]

    private let sandbox: Sandbox
    /// What else the guest does: true where that is dealt with.
    var answer: (Exit) throws -> Bool = { _ in false }
    var vm: VM { _read { yield sandbox.vm } }
    var vcpu: VCPU { _read { yield sandbox.vcpu } }

    init(_ kind: InterruptControllerKind = .kernel) throws {
        let memory = try ProbeGuest.memory()
        _ = memory.write(PhysicalAddress(Self.code), Self.program[...])
        _ = memory.write(PhysicalAddress(Self.handler), Self.handlerCode[...])
        for (i, value) in ([0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff] as [UInt64]).enumerated() {
            memory.store(value, size: 8, at: PhysicalAddress(Self.descriptors) + i * 8)
        }
        for vector in 0..<256 {
            memory.store(Self.handler | 8 << 16 | 0x8e00 << 32, size: 8, at: PhysicalAddress(Self.gates) + vector * 8)
        }
        sandbox = try Sandbox(memory, interruptControllers: kind)
        try sandbox.set(Self.prepared(sandbox.fresh))
    }

    private static func prepared(_ fresh: RegisterFile) -> RegisterFile {
        var file = fresh
        file["cr0"] = 0x11
        for (name, selector, attributes) in [
            ("cs", 8, 0xc09b), ("ss", 16, 0xc093), ("ds", 16, 0xc093), ("es", 16, 0xc093),
        ] as [(String, UInt64, UInt64)] {
            file[name] = selector
            file[name + "_base"] = 0
            file[name + "_limit"] = 0xffff_ffff
            file[name + "_attr"] = attributes
        }
        file["gdtr_base"] = descriptors
        file["gdtr_limit"] = 0x17
        file["idtr_base"] = gates
        file["idtr_limit"] = 0x7ff
        file["eflags"] = 2
        file["rsp"] = stackTop
        X86.setInstructionOffset(&file, to: code)
        return file
    }

    /// Something other than the guest's own exits came.
    struct UnexpectedExit: Error, CustomStringConvertible {
        let description: String
    }

    /// Lets the guest do `operations`; returns what its reads gave.
    func run(_ operations: [Operation]) throws -> [UInt32] {
        let words = operations.flatMap(\.words) + [0, 0, 0]
        var bytes: [UInt8] = []
        for word in words { bytes.append(littleEndian: word) }
        precondition(sandbox.memory.write(PhysicalAddress(Self.list), bytes[...]), "the list does not fit")
        while true {
            switch try sandbox.vcpu.run() {
            case .io(let access) where access.port == 0xf4: return readings(of: operations)
            case .interrupted: continue
            case let other:
                guard try answer(other) else { throw UnexpectedExit(description: "\(other)") }
            }
        }
    }

    private func readings(of operations: [Operation]) -> [UInt32] {
        let count = operations.filter { if case .load = $0 { true } else if case .input = $0 { true } else { false } }
            .count
        return (0..<count).map { i in
            var bytes = [UInt8](repeating: 0, count: 4)
            _ = sandbox.memory.read(PhysicalAddress(Self.results) + i * 4, into: &bytes)
            return bytes.number(at: 0, count: 4)
        }
    }

    func setLine(_ line: Int, _ level: Bool) throws { try sandbox.vm.setInterruptLine(UInt32(line), level) }

    /// The vector that the local APIC has for the processor goes into service, by the host's hand: a software KVM may
    /// end an interrupt as soon as the guest takes it, so that nothing is ever in service.
    func acknowledge(isX2APIC: Bool = false) throws {
        guard let vector = try localAPIC(isX2APIC: isX2APIC).nextVector else { return }
        var page = [UInt8](repeating: 0, count: RegisterBlock.localAPIC.size)
        try sandbox.vcpu.get(.localAPIC, into: &page, at: 0)
        let place = Int(vector >> 5) * 16 + Int(vector >> 3 & 3)
        page[0x200 + place] &= ~(1 << (vector & 7))
        page[0x100 + place] |= 1 << (vector & 7)
        try sandbox.vcpu.set(.localAPIC, from: page, at: 0)
    }

    func localAPIC(isX2APIC: Bool = false) throws -> LocalAPICRegisters {
        var page = [UInt8](repeating: 0, count: RegisterBlock.localAPIC.size)
        try sandbox.vcpu.get(.localAPIC, into: &page, at: 0)
        guard let registers = LocalAPICRegisters(page, isX2APIC: isX2APIC) else {
            throw UnexpectedExit(description: "a short local APIC")
        }
        return registers
    }

    func chips() throws -> (ioapic: IOAPIC, pair: PICPair) {
        let state = try sandbox.vm.interruptControllerState(withTimer: false)
        guard let ioapic = IOAPIC(kernelState: state.bytes(of: .ioapic)),
            let master = PIC8259(kernelState: state.bytes(of: .masterPIC), isMaster: true),
            let slave = PIC8259(kernelState: state.bytes(of: .slavePIC), isMaster: false)
        else { throw UnexpectedExit(description: "short chips") }
        return (ioapic, PICPair(master: master, slave: slave))
    }
}
