import Primitives
import Testing

@testable import Architecture

@Suite struct MissingEmulationTests {
    private func file(cr0: UInt64, cr3: UInt64 = 0, efer: UInt64 = 0) -> RegisterFile {
        var file = RegisterFile(size: X86.Storage.size)
        for (offset, value) in [(X86.Field.cr0, cr0), (X86.Field.cr3, cr3), (X86.Field.efer, efer)] {
            file.storage.store(value, at: offset, count: 8)
        }
        return file
    }

    @Test("An IRET outside long mode is named, behind prefixes too")
    func interruptReturn() {
        for code in [[0xcf], [0x66, 0xcf], [0x67, 0x66, 0xcf]] as [[UInt8]] {
            #expect(X86MissingEmulation(code, file(cr0: 0x11)) == .interruptReturn)
            #expect(X86MissingEmulation(code, file(cr0: 0x10)) == .interruptReturn)
        }
        #expect(X86MissingEmulation([0xc3], file(cr0: 0x11)) == nil)
        #expect("\(X86MissingEmulation.interruptReturn)".hasPrefix("an IRET outside long mode"))
    }

    @Test("Paging in protected mode is named by the instruction that sets it, and by CR3 without it")
    func paging() {
        #expect(X86MissingEmulation([0x90], file(cr0: 0x11, cr3: 0x1000)) == .paging)
        #expect(X86MissingEmulation([0x90], file(cr0: 0x11)) == nil)
        #expect(X86MissingEmulation([0x90], file(cr0: 0x10, cr3: 0x1000)) == nil)
        #expect(X86MissingEmulation([0xcf], file(cr0: 0x8000_0011, cr3: 0x1000, efer: 0x500)) == nil)
        #expect(X86MissingEmulation([], file(cr0: 0x8000_0011, cr3: 0x1000)) == nil)
        var file = file(cr0: 0x11)
        // RCX.
        file.storage.store(0x8000_0011 as UInt64, at: X86.Storage.general + 16, count: 8)
        #expect(X86MissingEmulation([0x0f, 0x22, 0xc1], file) == .paging)
        #expect(X86MissingEmulation([0x0f, 0x22, 0xc0], file) == nil)
        #expect(X86MissingEmulation([0x0f, 0x22, 0xd9], file) == nil)
    }
}
