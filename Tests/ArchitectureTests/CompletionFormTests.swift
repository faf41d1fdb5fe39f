import Primitives
import Testing

@testable import Architecture

@Suite struct CompletionFormTests {
    /// 64-bit code at 0x1000, each general register with its number in the second byte.
    private let file: RegisterFile = {
        var file = RegisterFile(size: X86.Storage.size)
        file.storage.store(0x8000_0011, at: X86.Field.cr0, count: 8)
        file.storage.store(0x500, at: X86.Field.efer, count: 8)
        file.storage[X86.Field.codeSegment + 19] = 1
        for number in 0..<16 as Range<UInt8> { X86.setGeneral(number, &file, to: UInt64(number) << 8) }
        X86.setInstructionOffset(&file, to: 0x1000)
        return file
    }()

    @Test(
        "Length, operand and the same instruction with its operand elsewhere",
        arguments: [
            // fwait; fninit; fldenv [rcx]; fnstsw ax
            ([0x9b], 1, nil, 0, [0x9b]), ([0xdb, 0xe3], 2, nil, 0, [0xdb, 0xe3]),
            ([0xd9, 0x21], 2, 0x100, 28, [0xd9, 0x26]), ([0xdf, 0xe0], 2, nil, 0, [0xdf, 0xe0]),
            // ldmxcsr [rip+0x10]; fxsave64 [r12+rax*2+8]
            ([0x0f, 0xae, 0x15, 0x10, 0, 0, 0], 7, 0x1017, 4, [0x0f, 0xae, 0x16]),
            ([0x49, 0x0f, 0xae, 0x44, 0x44, 8], 6, 0xc08, 512, [0x48, 0x0f, 0xae, 0x06]),
            // lock cmpxchg16b gs:[rsi]; movd xmm6, [rdi]; pshufd xmm0, [rsi], 1
            ([0x65, 0xf0, 0x48, 0x0f, 0xc7, 0x0e], 6, 0x600, 16, [0xf0, 0x48, 0x0f, 0xc7, 0x0e]),
            ([0x66, 0x0f, 0x6e, 0x37], 4, 0x700, 4, [0x66, 0x0f, 0x6e, 0x37]),
            ([0x66, 0x0f, 0x70, 0x06, 1], 5, 0x600, 16, [0x66, 0x0f, 0x70, 0x06, 1]),
            // vpaddd ymm0, ymm7, [r9]; popcnt r8, [rbp+0]; vzeroupper
            ([0xc4, 0xc1, 0x45, 0xfe, 0x01], 5, 0x900, 32, [0xc4, 0xe1, 0x45, 0xfe, 0x06]),
            ([0xf3, 0x4c, 0x0f, 0xb8, 0x45, 0], 6, 0x500, 8, [0xf3, 0x4c, 0x0f, 0xb8, 0x06]),
            ([0xc5, 0xf8, 0x77], 3, nil, 0, [0xc5, 0xf8, 0x77]),
        ] as [([UInt8], Int, UInt64?, Int, [UInt8])])
    func decodes(code: [UInt8], length: Int, operand: UInt64?, size: Int, rewritten: [UInt8]) throws {
        let instruction = try #require(X86UnprivilegedInstruction(code + [0x90, 0x90], file))
        #expect(instruction.length == length)
        #expect(instruction.form.memory?.address.rawValue == operand)
        #expect(instruction.size(stateSize: 0) == size)
        #expect(instruction.code == rewritten)
    }

    @Test("An instruction that is cut short, privileged, or of the one-byte map, is none that user mode does as well")
    func others() {
        for code in [
            [], [0x0f], [0xd9], [0x0f, 0xae, 0x15, 0x10], [0x0f, 0x01, 0xca], [0x0f, 0x22, 0xc0], [0x90], [0xf4],
            [0x66, 0x0f, 0x38, 0x82, 0x06], [0xc4], [0x0f, 0x30],
        ] as [[UInt8]] {
            #expect(X86UnprivilegedInstruction(code, file) == nil, "\(code)")
        }
    }

    @Test("Whatever the bytes are, the decoder ends, and reads no more than there are")
    func hostile() {
        for first in 0...255 as ClosedRange<UInt8> {
            for second in 0...255 as ClosedRange<UInt8> {
                for count in [2, 3, 15] {
                    let code = [first, second] + [UInt8](repeating: second ^ 0x5a, count: count - 2)
                    if let form = X86InstructionForm(code, file) { #expect(form.length <= count) }
                }
            }
        }
    }

    @Test("Each instruction that is done from outside is known by its bytes")
    func own() throws {
        for (code, name) in [
            ([0x0f, 0x01, 0xca], "clac"), ([0x0f, 0x01, 0xcb], "stac"), ([0x0f, 0x01, 0xe8], "serialize"),
            ([0xf3, 0x0f, 0x09], "wbnoinvd"), ([0xf3, 0x48, 0x0f, 0x1e, 0xc8], "rdssp"),
            ([0x66, 0x0f, 0x38, 0x82, 0x06], "invpcid"), ([0x0f, 0x01, 0xf9], "rdtscp"),
            ([0xf3, 0x0f, 0xc7, 0xf8], "rdpid"), ([0xf3, 0x48, 0x0f, 0xae, 0xd8], "wrgsbase"),
            ([0xf3, 0x48, 0x0f, 0xae, 0xc0], "rdfsbase"), ([0x0f, 0x01, 0xd1], "xsetbv"),
            ([0x0f, 0x01, 0xd0], "xgetbv"),
        ] as [([UInt8], String)] {
            let form = try #require(X86InstructionForm(code, file), "\(name)")
            #expect(X86CompletedInstruction(form)?.name == name)
            #expect(form.length == code.count)
        }
    }

    @Test("An exception by the control registers comes before the instruction")
    func control() throws {
        func exception(_ code: [UInt8], cr0: UInt64 = 0x11, cr4: UInt64 = 0x40600, xcr0: UInt64 = 7) -> UInt8? {
            var file = file
            file.storage.store(0x8000_0000 | cr0, at: X86.Field.cr0, count: 8)
            file.storage.store(cr4, at: X86.Field.cr4, count: 8)
            return X86UnprivilegedInstruction(code, file)?.exception(file, extendedControl: xcr0)?.rawValue
        }
        let (wait, x87, mmx, sse, avx, save) =
            (
                [0x9b], [0xd9, 0xe8], [0x0f, 0xfe, 0xc1], [0x66, 0x0f, 0xfe, 0xc1], [0xc5, 0xf5, 0xfe, 0xc1],
                [0x0f, 0xae, 0x26]
            )
            as ([UInt8], [UInt8], [UInt8], [UInt8], [UInt8], [UInt8])
        for code in [wait, x87, mmx, sse, avx, save] { #expect(exception(code) == nil) }
        // TS; TS with MP; EM.
        #expect([wait, x87, mmx, sse, avx, save].map { exception($0, cr0: 0x19) } == [nil, 7, 7, 7, 7, 7])
        #expect(exception(wait, cr0: 0x1b) == 7)
        #expect([x87, mmx, sse].map { exception($0, cr0: 0x15) } == [7, 6, 6])
        // No OSFXSR, no OSXSAVE, no AVX in XCR0.
        #expect([sse, avx, save].map { exception($0, cr4: 0x4_0000) } == [6, nil, nil])
        #expect([sse, avx, save].map { exception($0, cr4: 0x600) } == [nil, 6, 6])
        #expect(exception(avx, xcr0: 3) == 6)
    }
}
