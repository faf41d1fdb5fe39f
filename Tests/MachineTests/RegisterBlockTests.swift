import Architecture
import KVM
import Primitives
import TestSupport
import Testing

@testable import Machine

@Suite("Register blocks and KVM", .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct RegisterBlockTests {
    @Test("each of the kernel's structures fills its place in a register file exactly")
    func sizes() {
        for place in Sandbox.blocks { #expect(place.block.size == place.room, "\(place.block)") }
    }

    /// A vCPU in 64-bit kernel mode with random contents, as far as a processor takes any.
    private func randomFile(_ sandbox: Sandbox, _ random: inout Seeded) -> RegisterFile {
        var file = sandbox.fresh
        for register in X86.layout64.registers {
            switch register.name {
            case "rip": X86.setInstructionOffset(&file, to: random.canonical())
            case "eflags": file["eflags"] = 2 | random.next() & 0xcd5
            case "mxcsr": file["mxcsr"] = 0x1f80 | random.next() & 0x603f
            case "fctrl": file["fctrl"] = 0x037f
            case "dr6": file["dr6"] = 0xffff_0ff0 | random.next() & 0xf
            case "dr7": file["dr7"] = 0x400 | random.next() & 0xff
            case "cr2": file["cr2"] = random.canonical()
            case "cr8": file["cr8"] = random.next() & 0xf
            case "gdtr_limit", "idtr_limit": file[register.name] = random.next() & 0xffff
            case "gdtr_base", "idtr_base", "fs_base", "gs_base", "ds_base", "es_base", "dr0", "dr1", "dr2", "dr3":
                file[register.name] = random.canonical()
            case "ds", "es", "fs", "gs": file[register.name] = random.next() & 0xffff
            case "ds_limit", "es_limit", "fs_limit", "gs_limit":
                // With G set, the low 12 bits are ones.
                file[register.name] = random.next() & 0xffff_ffff | 0x8000_0fff
            case "ds_attr", "es_attr", "fs_attr", "gs_attr": file[register.name] = 0xc093
            case "ftag": file["ftag"] = random.next() & 0xffff
            case "fop": file["fop"] = random.next() & 0x7ff
            default:
                guard register.block == .general || register.type == "i387_ext" || register.type == "vec128" else {
                    continue
                }
                file.set(register, to: (0..<register.bits / 8).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            }
        }
        for (name, value) in [("cr4", 0x20), ("efer", 0x500), ("cr0", 0x8000_0011), ("cs_attr", 0xa09b)] {
            file[name] = UInt64(value)
        }
        file["ss_attr"] = 0xc093
        return file
    }

    @Test("what is set is what is got, register by register", arguments: 1...10 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = Seeded(seed)
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        let wanted = randomFile(sandbox, &random)
        try sandbox.set(wanted)
        let found = try sandbox.get()
        // CS and SS, TR and LDTR have fields that processors keep in their own way.
        let own = ["cs", "ss", "tr", "ldtr"]
        for register in X86.layout64.registers
        where !RegisterBlocks([.modelSpecific, .extendedControl]).contains(register.block) {
            let segment = register.name.split(separator: "_").first.map(String.init) ?? ""
            if own.contains(segment) { continue }
            var (old, new): ([UInt8], [UInt8]) = ([], [])
            wanted.append(register, to: &old)
            found.append(register, to: &new)
            #expect(new == old, "\(register.name)")
        }
    }

    @Test("a new processor's MXCSR is 0x1f80")
    func mxcsr() throws {
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        #expect(sandbox.fresh["mxcsr"] == 0x1f80)
    }

    @Test("model-specific registers keep what they are given, each its own")
    func modelSpecific() throws {
        var random = Seeded(1)
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        var values: [UInt64] = []
        // AMD's processors have SYSENTER in 32-bit code only, and its addresses are as wide (AMD APM volume 2, section
        // 6.1.2); KVM goes by the vendor's name.
        let vendor = try System().supportedProcessor().first { $0.leaf == 0 }?.ebx
        let sysenter: UInt64 = vendor == 0x6874_7541 ? 0xffff_ffff : .max
        for register in X86.modelSpecificRegisters {
            let value: UInt64 =
                switch register.name {
                case "pat": 0x0007_0106_0007_0406
                case "fmask", "sysenter_cs": random.next() & 0xffff_ffff
                case "sysenter_esp", "sysenter_eip": random.canonical() & sysenter
                default: random.canonical()
                }
            let isTaken = try sandbox.vcpu.setModelSpecific(register.index, to: value)
            #expect(isTaken, "\(register.name)")
            values.append(value)
        }
        #expect(try sandbox.vcpu.modelSpecific(X86.modelSpecificRegisters.map(\.index)) == values)
    }

    @Test(
        "AVX registers go to KVM and come back, each its own",
        .enabled(if: try Sandbox.hasAVX, "this host's KVM offers no AVX"))
    func advancedVectors() throws {
        var random = Seeded(2)
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        let layout = X86.layout(.bits64, X86ExtendedState(try System().supportedProcessor()))
        let rows = layout.registers.filter { $0.block == .floatingPoint && $0.feature.contains("avx") }
        #expect(rows.count >= 16)
        var wanted = sandbox.fresh
        // The components are in their initial state until something is written.
        for row in rows { #expect(wanted.bytes(of: row).allSatisfy { $0 == 0 }) }
        for row in rows { wanted.set(row, to: random.bytes(row.bits / 8)) }
        try sandbox.set(wanted)
        let found = try sandbox.get()
        for row in rows { #expect(found.bytes(of: row) == wanted.bytes(of: row), "\(row.name)") }
    }

    @Test(
        "XCR0 keeps x87, takes what CPUID offers and refuses the rest", .enabled(if: try Sandbox.hasAVX, "no AVX here"))
    func extendedControl() throws {
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        #expect(try sandbox.vcpu.extendedControl() == 1)
        try sandbox.vcpu.setExtendedControl(7)
        #expect(try sandbox.vcpu.extendedControl() == 7)
        #expect(throws: KVMError.self) { try sandbox.vcpu.setExtendedControl(6) }
        #expect(try sandbox.vcpu.extendedControl() == 7)
    }

    @Test("a number that is no model-specific register is known as such")
    func unknownModelSpecific() throws {
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        #expect(try sandbox.vcpu.modelSpecific(0x1234_5678 as UInt32) == nil)
        #expect(try sandbox.vcpu.modelSpecific(0x1b as UInt32) == 0xfee0_0900)
    }

    @Test("a register or value that KVM refuses is refused, not lost")
    func refused() throws {
        let sandbox = try Sandbox(memorySize: 0x20_0000)
        let isTaken = try sandbox.vcpu.setModelSpecific(0xc000_0082, to: 0x0100_0000_0000_0000)
        #expect(!isTaken, "LSTAR takes canonical addresses only")
        // Paging without protection.
        var file = sandbox.fresh
        file["cr0"] = 0x8000_0000
        #expect(throws: KVMError.self) { try sandbox.vcpu.set(.system, from: file.storage, at: X86.Storage.system) }
    }
}
