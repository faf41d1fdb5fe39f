import Primitives
import Testing

@testable import Architecture

@Suite("Interrupt frames")
struct InterruptFrameTests {
    /// Words of `size` bytes from 0x8000 on.
    private func reader(_ words: [UInt64], size: Int) -> (VirtualAddress, Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        for word in words { for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(i * 8))) } }
        return { address, count in
            let start = Int(address.rawValue) - 0x8000
            return start >= 0 && start + count <= bytes.count ? Array(bytes[start..<start + count]) : nil
        }
    }

    private func frame(_ words: [UInt64], size: Int, errorCode: Bool = false) -> X86InterruptFrame? {
        X86InterruptFrame(
            at: VirtualAddress(0x8000), wordSize: size, hasErrorCode: errorCode, read: reader(words, size: size))
    }

    @Test("long mode pushes the stack always, 32-bit code where it changes, real mode never")
    func shapes() throws {
        let long = try #require(frame([0x1234, 8, 0x202, 0x9000, 0x10], size: 8))
        #expect(long.stack == X86InterruptFrame.Stack(pointer: 0x9000, selector: 0x10))
        #expect(!long.isUser)
        #expect(long.flagsAddress == VirtualAddress(0x8010))
        #expect(try #require(frame([0x1234, 8, 0x202], size: 4)).stack == nil)
        let user = try #require(frame([0x1234, 0x1b, 0x202, 0x9000, 0x23], size: 4))
        #expect(user.isUser && user.stack?.pointer == 0x9000)
        let real = try #require(frame([0x1234, 0xf003, 0x202], size: 2))
        #expect(real.stack == nil && !real.isUser && real.codeSelector == 0xf003)
    }

    @Test("an error code lies below it")
    func errorCode() throws {
        let user = try #require(frame([4, 0x1234, 0x23, 0x202, 0x9000, 0x1b], size: 8, errorCode: true))
        #expect(user.errorCode == 4 && user.instructionOffset == 0x1234 && user.isUser)
    }

    @Test("what cannot be read whole is none, and neither privileged nor virtual-8086 code is user mode's")
    func none() throws {
        #expect(frame([0x1234, 0x23, 0x202, 0x9000], size: 8) == nil)
        #expect(try #require(frame([0, 0x23, 0x2_0202, 0x9000, 0x1b], size: 8)).isUser == false)
        #expect(try #require(frame([0, 0x23, 0, 0x9000, 0x1b], size: 8)).isUser == false)
    }

    private func descriptor(_ selector: UInt16) -> UInt64? {
        switch selector {
        case 0x23: 0x00af_fb00_0000_ffff
        case 0x1b: 0x00cf_f300_0000_ffff
        case 0x33: 0x10cf_fb12_3456_ffff
        default: nil
        }
    }

    @Test("leaving through a frame gives the interrupted program's registers back")
    func leave() throws {
        var file = RegisterFile(size: X86.Storage.size)
        for (name, value) in [("cr0", 0x8000_0011), ("efer", 0x500), ("cs_attr", 0xa09b), ("rax", 7)] {
            file.set(X86.layout64[name: name]!, to: UInt64(value))
        }
        let user = try #require(frame([0x1234, 0x23, 0x246, 0x9000, 0x1b], size: 8))
        #expect(X86.leave(user, &file, descriptor: descriptor))
        for (name, value) in [
            ("rip", 0x1234), ("eflags", 0x246), ("rsp", 0x9000), ("cs", 0x23), ("ss", 0x1b), ("cs_attr", 0xa0fb),
            ("ss_attr", 0xc0f3), ("cs_limit", 0xffff_ffff), ("rax", 7),
        ] as [(String, UInt64)] {
            #expect(file[name, in: X86.layout64] == value, "\(name)")
        }
        #expect(X86.privilege(file) == 3 && X86.mode(file) == .long)
        // A base, and a code segment of compatibility mode.
        let other = try #require(frame([0x10, 0x33, 0x246, 0x9000, 0x1b], size: 8))
        #expect(X86.leave(other, &file, descriptor: descriptor))
        #expect(X86.mode(file) == .compatibility)
        #expect(X86.programCounter(file) == VirtualAddress(0x1012_3466))
    }

    @Test("a frame whose segments the tables do not have changes nothing")
    func refused() throws {
        var file = RegisterFile.protected
        let before = file.storage
        let user = try #require(frame([0x1234, 0x43, 0x246, 0x9000, 0x1b], size: 8))
        #expect(!X86.leave(user, &file, descriptor: descriptor))
        #expect(file.storage == before)
    }

    @Test("SYSCALL's and SYSRET's segments are flat, and user mode keeps no privileged data segment")
    func systemCalls() {
        var file = RegisterFile(size: X86.Storage.size)
        for (name, value) in [
            ("cr0", 0x8000_0011), ("efer", 0x501), ("ds", 0x10), ("ds_attr", 0xc093), ("es", 0x1b), ("es_attr", 0xc0f3),
        ] {
            file.set(X86.layout64[name: name]!, to: UInt64(value))
        }
        let star: UInt64 = 0x13 << 48 | 8 << 32
        X86.enterKernel(&file, star: star)
        #expect(X86.codeSelector(file) == 8 && file["ss", in: X86.layout64] == 0x10)
        #expect(X86.privilege(file) == 0 && X86.mode(file) == .long)
        X86.enterUser(&file, star: star)
        X86.dropPrivilegedSegments(&file)
        #expect(X86.codeSelector(file) == 0x23 && file["ss", in: X86.layout64] == 0x1b)
        #expect(X86.privilege(file) == 3 && X86.mode(file) == .long)
        #expect(file["ds", in: X86.layout64] == 0 && file["es", in: X86.layout64] == 0x1b)
    }
}

@Suite("Instructions that a step must know")
struct StepInstructionTests {
    @Test(
        "are known with their prefixes, by the mode's sizes",
        arguments: [
            ([0xcc], .interrupt(length: 1)), ([0xcd, 0x80], .interrupt(length: 2)), ([0xf1], .interrupt(length: 1)),
            ([0x0f, 0x05], .systemCall), ([0x9c], .pushFlags), ([0x66, 0x9c], .pushFlags), ([0x9d], .popFlags),
            ([0x48, 0xcf], .interruptReturn(wordSize: 8)), ([0xcf], .interruptReturn(wordSize: 4)),
            ([0x48, 0x0f, 0x07], .systemReturn), ([0x0f, 0x07], .other), ([0xfa], .clearInterrupts),
            ([0xfb], .setInterrupts), ([0x90], .other), ([0xcd], .other), ([], .other), ([0x66], .other),
            ([0xf3, 0xaa], .other), ([0x2e, 0xcd, 0x21], .interrupt(length: 3)),
        ] as [([UInt8], X86StepInstruction)])
    func known(_ bytes: [UInt8], _ expected: X86StepInstruction) {
        #expect(X86StepInstruction(bytes, isLong: true, defaultSize: 4) == expected)
    }

    @Test("0x48 is an instruction of its own outside of 64-bit code")
    func modes() {
        #expect(X86StepInstruction([0x48, 0xcf], isLong: false, defaultSize: 4) == .other)
        #expect(X86StepInstruction([0xcf], isLong: false, defaultSize: 2) == .interruptReturn(wordSize: 2))
        #expect(X86StepInstruction([0x66, 0xcf], isLong: false, defaultSize: 2) == .interruptReturn(wordSize: 4))
    }

    @Test(
        "merge the interrupt flag that was borrowed",
        arguments: [
            (.other, 0x202, 0x2, 0, 0, true), (.other, 0x2, 0x2, 0, 0, false), (.popFlags, 0x202, 0x2, 0, 0, false),
            (.popFlags, 0x202, 0x202, 0, 0, true), (.popFlags, 0x202, 0x2, 3, 0, true),
            (.popFlags, 0x3202, 0x2, 3, 0, false), (.clearInterrupts, 0x202, 0x2, 0, 0, false),
            (.setInterrupts, 0x202, 0x202, 0, 0, true), (.systemCall, 0x202, 0x2, 3, 0x200, false),
            (.systemCall, 0x202, 0x2, 3, 0, true), (.systemReturn, 0x2, 0x202, 0, 0, true),
        ] as [(X86StepInstruction, UInt64, UInt64, Int, UInt64, Bool)])
    func merge(
        _ instruction: X86StepInstruction, _ before: UInt64, _ after: UInt64, _ level: Int, _ mask: UInt64,
        _ expected: Bool
    ) {
        #expect(instruction.takesInterrupts(before: before, after: after, level: level, mask: mask) == expected)
    }
}
