import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("Memory operands")
struct MemoryOperandTests {
    /// 64-bit code at 0x1000; each general register holds 0x10000 times one more than its number in the encoding.
    private func file() -> RegisterFile {
        var file = RegisterFile(size: X86.Storage.size)
        func set(_ name: String, _ value: UInt64) { file.set(X86.layout64[name: name]!, to: value) }
        for (name, value) in [("cr0", 0x8000_0011), ("efer", 0x500), ("cs_attr", 0xa09b)] as [(String, UInt64)] {
            set(name, value)
        }
        let names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + (8...15).map { "r\($0)" }
        for (number, name) in names.enumerated() { set(name, UInt64(number + 1) * 0x1_0000) }
        set("fs_base", 0x7000_0000)
        X86.setInstructionOffset(&file, to: 0x1000)
        return file
    }

    @Test(
        "the address is the one that an assembler meant",
        arguments: [
            ([0x48, 0x8b, 0x00], 0x1_0000),  // mov rax, [rax]
            ([0x8b, 0x43, 0xf8], 0x3_fff8),  // mov eax, [rbx - 8]
            ([0x48, 0x89, 0x8b, 0x00, 0x10, 0, 0], 0x4_1000),  // mov [rbx + 0x1000], rcx
            ([0x49, 0x8b, 0x00], 0x9_0000),  // mov rax, [r8]
            ([0x48, 0x8b, 0x04, 0x24], 0x5_0000),  // mov rax, [rsp]
            ([0x48, 0x8b, 0x44, 0xc8, 0x10], 0x1_0000 + 8 * 0x2_0000 + 0x10),  // mov rax, [rax + rcx * 8 + 16]
            ([0x4b, 0x8b, 0x04, 0xa1], 0xa_0000 + 4 * 0xd_0000),  // mov rax, [r9 + r12 * 4]
            ([0x8b, 0x04, 0x25, 0x78, 0x56, 0x34, 0x12], 0x1234_5678),  // mov eax, [0x12345678]
            ([0x64, 0x48, 0x8b, 0x03], 0x7004_0000),  // mov rax, fs:[rbx]
            ([0xf0, 0x0f, 0xb1, 0x0f], 0x8_0000),  // lock cmpxchg [rdi], ecx
            ([0x0f, 0x10, 0x06], 0x7_0000),  // movups xmm0, [rsi]
        ] as [([UInt8], UInt64)])
    func address(_ bytes: [UInt8], _ expected: UInt64) throws {
        let operand = try #require(X86MemoryOperand(bytes, file()))
        #expect(operand.address == VirtualAddress(expected))
        #expect(operand.canTouch(VirtualAddress(expected)))
        #expect(!operand.canTouch(VirtualAddress(expected + 0x1000)))
    }

    /// `address+size` of each access, `r` or `w` before it.
    private func accesses(_ bytes: [UInt8]) -> [String] {
        X86MemoryOperand.accesses(bytes, file(), length: bytes.count).map {
            "\($0.isWrite ? "w" : "r")\(String($0.address.rawValue, radix: 16))+\($0.size)"
        }
    }

    @Test(
        "an instruction's accesses have the place, width and direction of the manual",
        arguments: [
            ([0x8a, 0x07], ["r80000+1"]),  // mov al, [rdi]
            ([0x66, 0x89, 0x07], ["w80000+2"]),  // mov [rdi], ax
            ([0x48, 0x8b, 0x07], ["r80000+8"]),  // mov rax, [rdi]
            ([0xc7, 0x07, 1, 0, 0, 0], ["w80000+4"]),  // mov dword [rdi], 1
            ([0xff, 0x07], ["r80000+4", "w80000+4"]),  // inc dword [rdi]
            ([0x01, 0x07], ["r80000+4", "w80000+4"]),  // add [rdi], eax
            ([0x03, 0x07], ["r80000+4"]),  // add eax, [rdi]
            ([0x39, 0x07], ["r80000+4"]),  // cmp [rdi], eax
            ([0x83, 0x3f, 1], ["r80000+4"]),  // cmp dword [rdi], 1
            ([0x0f, 0xb6, 0x07], ["r80000+1"]),  // movzx eax, byte [rdi]
            ([0x0f, 0x11, 0x07], ["w80000+16"]),  // movups [rdi], xmm0
            ([0x48, 0x8d, 0x07], []),  // lea rax, [rdi]
            ([0xf3, 0xa4], ["r70000+1", "w80000+1"]),  // rep movsb
            ([0x48, 0xab], ["w80000+8"]),  // stosq
            ([0xac], ["r70000+1"]),  // lodsb
            ([0x8b, 0x05, 0, 1, 0, 0], ["r1106+4"]),  // mov eax, [rip + 0x100]
            ([0xc6, 0x05, 0, 1, 0, 0, 9], ["w1107+1"]),  // mov byte [rip + 0x100], 9
            ([0x89, 0xc8], []),  // mov eax, ecx
        ] as [([UInt8], [String])])
    func accessesOf(bytes: [UInt8], expected: [String]) {
        #expect(accesses(bytes) == expected)
    }

    @Test("a register operand is known by its number, a division by its opcode")
    func division() throws {
        let operand = try #require(X86MemoryOperand([0x49, 0xf7, 0xf1], file()))  // div r9
        #expect(operand.isDivision && operand.address == nil && operand.register == 9)
        #expect(operand.value(of: 9) == 0xa_0000)
    }

    @Test(
        "what uses the stack can touch it, and nothing else can",
        arguments: [(0x50, true), (0xe8, true), (0x90, false)])
    func stack(_ opcode: UInt8, _ usesIt: Bool) throws {
        let operand = try #require(X86MemoryOperand([opcode, 0, 0, 0, 0], file()))
        #expect(operand.canTouch(VirtualAddress(0x5_0000 - 8)) == usesIt)
    }

    @Test("bytes that end too soon, and a hundred thousand random ones, do no harm")
    func random() {
        #expect(X86MemoryOperand([], file()) == nil)
        #expect(X86MemoryOperand([0x48], file()) == nil)
        #expect(X86MemoryOperand([0x8b, 0x80, 0, 0], file()) == nil)
        var random = Seeded(1)
        let file = file()
        for _ in 0..<100_000 {
            let bytes = (0..<Int.random(in: 0...15, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = X86MemoryOperand(bytes, file)?.canTouch(VirtualAddress(0x1000))
        }
    }
}
