import Primitives
import Testing

@testable import Architecture

@Suite("What an instruction's checks say of a fault")
struct ProtectionFaultTests {
    /// A GDT: null; kernel code; kernel data; user data; user code; a busy TSS; an available TSS; data not present.
    private static let descriptors: [UInt64] = [
        0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff,
        0x0000_8b00_0000_0067, 0x0000_8900_0000_0067, 0x00cf_1300_0000_ffff,
    ]

    private static func memory(_ words: [UInt64: UInt64] = [:]) -> X86ProtectionFault.Memory {
        X86ProtectionFault.Memory(
            read: { address, count in
                var bytes: [UInt8] = []
                for i in 0..<UInt64(count) {
                    let place = address.rawValue + i
                    guard let word = words[place & ~7] else { return nil }
                    bytes.append(UInt8(truncatingIfNeeded: word >> (place % 8 * 8)))
                }
                return bytes
            },
            descriptor: { selector in
                let index = Int(selector >> 3)
                return selector & 4 == 0 && index < descriptors.count ? descriptors[index] : nil
            })
    }

    /// 64-bit code of `level` with these registers.
    private static func file(_ registers: [String: UInt64], level: Int = 0) -> RegisterFile {
        var file = RegisterFile(size: X86.Storage.size)
        func set(_ name: String, _ value: UInt64) { file.set(X86.layout64[name: name]!, to: value) }
        for (name, value) in [
            ("cr0", 0x8000_0011), ("cr4", 0x20), ("efer", 0x500), ("cs_attr", 0xa09b), ("eflags", 2), ("rsp", 0x8000),
        ] as [(String, UInt64)] {
            set(name, value)
        }
        set("ss_attr", level == 0 ? 0xc093 : 0xc0f3)
        for (name, value) in registers { set(name, value) }
        return file
    }

    /// Instruction, registers, the vector, a part of the reason, whether it is certain.
    private static let certain: [([UInt8], [String: UInt64], UInt8, String)] = [
        ([0x0f, 0x22, 0xc0], ["rax": 0x8000_0000], 13, "paging without protection"),
        ([0x0f, 0x22, 0xc0], ["rax": 0x2000_0011], 13, "NW without CD"),
        ([0x0f, 0x22, 0xc0], ["rax": 0x11], 13, "cannot turn paging off"),
        ([0x0f, 0x22, 0xc0], ["rax": 0x1_8000_0011], 13, "bits 63 to 32"),
        ([0x0f, 0x22, 0xe0], ["rax": 0], 13, "CR4: long mode needs PAE"),
        ([0x44, 0x0f, 0x22, 0xc1], ["rcx": 16], 13, "CR8: bits 63 to 4"),
        ([0x0f, 0x22, 0xd8], ["rax": 1 << 60], 13, "CR3: reserved bits"),
        ([0x0f, 0x22, 0xe8], [:], 6, "CR5: there is no such register"),
        (
            [0x0f, 0x30], ["rcx": 0xc000_0082, "rdx": 0x8000_0000], 13,
            "WRMSR of 0x8000000000000000 to 0xc0000082: not canonical"
        ),
        ([0x0f, 0x30], ["rcx": 0xc000_0080, "rax": 0], 13, "EFER.LME cannot change"),
        ([0x0f, 0x00, 0xd8], ["rax": 0], 13, "LTR of selector 0x0000: it is null"),
        ([0x0f, 0x00, 0xd8], ["rax": 0x28], 13, "LTR of selector 0x0028: its descriptor is of type 0xb"),
        ([0x0f, 0x00, 0xd8], ["rax": 0x100], 13, "outside of the GDT"),
        ([0x0f, 0x00, 0xd0], ["rax": 0x10], 13, "LLDT of selector 0x0010: its descriptor is of type 0x13"),
        ([0x8e, 0xd8], ["rax": 0x48], 13, "MOV of selector 0x0048 to DS: outside of its table"),
        ([0x8e, 0xd8], ["rax": 0x38], 11, "DS: not present"),
        ([0x8e, 0xd0], ["rax": 0x08], 13, "SS: its descriptor is of type 0x1b"),
        ([0x8e, 0xd0], ["rax": 0x1b], 13, "DPL 3 and RPL 3 do not go with CPL0"),
        ([0x8e, 0xc8], [:], 6, "MOV to CS"),
        ([0x48, 0x0f, 0x07], ["rcx": 1 << 63], 13, "SYSRET to 0x8000000000000000"),
    ]

    @Test("a check that failed is named", arguments: certain)
    func failed(_ bytes: [UInt8], _ registers: [String: UInt64], _ vector: UInt8, _ words: String) throws {
        let fault = try #require(X86ProtectionFault(bytes, Self.file(registers), Self.memory()))
        #expect(fault.vector.rawValue == vector)
        #expect(fault.reason.contains(words), "\(fault.reason)")
        #expect(fault.isCertain)
    }

    @Test(
        "an instruction that passes its checks explains nothing",
        arguments: [
            ([0x0f, 0x22, 0xc0], ["rax": 0x8000_0011]), ([0x0f, 0x22, 0xe0], ["rax": 0x20]),
            ([0x44, 0x0f, 0x22, 0xc1], ["rcx": 15]), ([0x0f, 0x00, 0xd8], ["rax": 0x30]),
            ([0x0f, 0x00, 0xd0], ["rax": 0]), ([0x8e, 0xd8], ["rax": 0]), ([0x8e, 0xd8], ["rax": 0x1b]),
            ([0x8e, 0xd0], ["rax": 0x10]), ([0x90], [:]), ([0xf4], [:]), ([0xfa], [:]),
            ([0x48, 0x0f, 0x07], ["rcx": 0x1000]),
        ] as [([UInt8], [String: UInt64])])
    func passed(_ bytes: [UInt8], _ registers: [String: UInt64]) {
        #expect(X86ProtectionFault(bytes, Self.file(registers), Self.memory()) == nil)
    }

    @Test("an MSR that may not exist is only probably the reason")
    func guesses() throws {
        for bytes in [[0x0f, 0x30], [0x0f, 0x32]] as [[UInt8]] {
            let fault = try #require(X86ProtectionFault(bytes, Self.file(["rcx": 0x1234]), Self.memory()))
            #expect(!fault.isCertain)
            #expect(fault.reason.contains("0x1234"))
        }
        // CR4 bits that a processor may lack.
        let fault = try #require(X86ProtectionFault([0x0f, 0x22, 0xe0], Self.file(["rax": 0x80_0020]), Self.memory()))
        #expect(!fault.isCertain && fault.reason.contains("0x800000"))
    }

    @Test(
        "user mode may not",
        arguments: [
            ([0xf4], "HLT"), ([0x0f, 0x30], "WRMSR"), ([0x0f, 0x22, 0xc0], "control register"),
            ([0x0f, 0x01, 0x10], "LGDT"), ([0x0f, 0x06], "CLTS"), ([0xfa], "CLI"), ([0xee], "a port write"),
        ] as [([UInt8], String)])
    func privileged(_ bytes: [UInt8], _ name: String) throws {
        let fault = try #require(X86ProtectionFault(bytes, Self.file([:], level: 3), Self.memory()))
        #expect(fault.reason.contains("\(name)") && fault.reason.contains("CPL3"))
        #expect(X86ProtectionFault(bytes, Self.file(["rax": 0x8000_0011]), Self.memory())?.isCertain != true)
    }

    @Test("IRET's frame and LGDT's operand are read from memory")
    func fromMemory() throws {
        func frame(_ rip: UInt64, _ cs: UInt64) -> X86ProtectionFault? {
            let words = [0x8000: rip, 0x8008: cs, 0x8010: 2, 0x8018: 0x9000, 0x8020: 0x10] as [UInt64: UInt64]
            return X86ProtectionFault([0x48, 0xcf], Self.file([:]), Self.memory(words))
        }
        #expect(frame(0x1000, 0)?.reason == "IRET to 0x0:0x1000: the code selector is null")
        #expect(frame(0x1000, 0x10)?.reason.contains("no code segment") == true)
        #expect(frame(0x1000, 0x80)?.reason.contains("outside of the GDT") == true)
        #expect(frame(1 << 62, 0x8)?.reason.contains("not a canonical address") == true)
        #expect(frame(0x1000, 0x8) == nil)
        let table = [0x9000: 0x0010_0000_0000_00ff, 0x9008: 0x8000] as [UInt64: UInt64]
        let fault = X86ProtectionFault([0x0f, 0x01, 0x10], Self.file(["rax": 0x9000]), Self.memory(table))
        #expect(fault?.reason.contains("LGDT of base 0x8000001000000000") == true, "\(String(describing: fault))")
    }
}
