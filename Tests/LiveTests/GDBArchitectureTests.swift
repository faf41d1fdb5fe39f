import TestSupport
import Testing

extension Live {
    /// Kernels for long mode in 32-bit ELF files, as Xen and kvm-unit-tests have them.
    @Suite("--gdb-arch") struct GDBArchitectures {
        /// 32-bit code at 0x100000 that enters long mode; at 0x100080 RAX gets its value, and at 0x10008a it is there.
        private static let code: [UInt8] = [
            // Page tables for 2 MiB at 0x20000; CR3; CR4.PAE.
            0xbf, 0x00, 0x00, 0x02, 0x00, 0x31, 0xc0, 0xb9, 0x00, 0x0c, 0x00, 0x00, 0xf3, 0xab, 0xc7, 0x05, 0x00, 0x00,
            0x02, 0x00, 0x03, 0x10, 0x02, 0x00, 0xc7, 0x05, 0x00, 0x10, 0x02, 0x00, 0x03, 0x20, 0x02, 0x00, 0xc7, 0x05,
            0x00, 0x20, 0x02, 0x00, 0x83, 0x00, 0x00, 0x00, 0xb8, 0x00, 0x00, 0x02, 0x00, 0x0f, 0x22, 0xd8, 0xb8, 0x20,
            0x00, 0x00, 0x00, 0x0f, 0x22, 0xe0,
            // EFER.LME; LGDT; CR0.PG; JMP FAR.
            0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x0d, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, 0x0f, 0x01, 0x15, 0x63,
            0x00, 0x10, 0x00, 0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0xea, 0x80, 0x00, 0x10,
            0x00, 0x08, 0x00,
            // GDTR and GDT.
            0x0f, 0x00, 0x70, 0x00, 0x10, 0x00, 0x8d, 0xb4, 0x26, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xaf, 0x00,
            // MOV RAX, 0x1122334455667788; NOP; JMP to itself.
            0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x90, 0xeb, 0xfe,
        ]

        /// The same program in a file of either kind.
        private static func file(is64: Bool) throws -> String {
            let segment = TestELF.Segment(virtual: 0x10_0000, physical: 0x10_0000, bytes: code)
            let elf = TestELF(is64: is64, entry: 0x10_0000, segments: [segment])
            return try Places.file("long-mode-\(is64 ? 64 : 32).elf", elf.file)
        }

        private static func architecture(_ options: [String]) throws -> String {
            let client = try Stubvisor(options + [file(is64: false)]).attach()
            let document = try client.request("qXfer:features:read:target.xml:0,400")
            return document.components(separatedBy: "architecture>").dropFirst().first.map { "\($0.dropLast(2))" } ?? ""
        }

        @Test(
            "a 32-bit ELF file that enters long mode has 64-bit registers, unless the option says otherwise",
            .needs(.kvm),
            arguments: [([], "i386:x86-64"), (["--gdb-arch", "i386"], "i386"), (["--gdb-arch=auto"], "i386:x86-64")])
        func chosen(options: [String], expected: String) throws {
            #expect(try Self.architecture(options) == expected)
        }

        @Test("--gdb-arch x86-64 gives 64-bit registers also where nothing speaks for them", .needs(.kvm))
        func forced() throws {
            let client = try Stubvisor(["--gdb-arch", "x86-64", Guest.path("loop32")]).attach()
            #expect(client.registers?["rip"]?.bits == 64 && client.registers?["r15"] != nil)
        }

        /// It was "Invalid hex digit 59" and the end of the connection.
        @Test("gdb with 64-bit symbols debugs 64-bit code in a 32-bit ELF file", .needs(.kvm, .gdb))
        func symbols64() throws {
            let stubvisor = try Stubvisor([Self.file(is64: false)])
            let gdb = try GDB.run(
                stubvisor, symbols: Self.file(is64: true),
                ["hbreak *0x10008a", "continue", "print/x $rax", "print $pc", "stepi", "kill"])
            #expect(gdb["print/x $rax"].hasSuffix("= 0x1122334455667788"), "\(gdb.transcript)")
            #expect(gdb["print $pc"].contains("0x10008a"), "\(gdb.transcript)")
            #expect(!gdb.transcript.contains("Invalid hex digit") && !gdb.transcript.contains("too long"))
            #expect(stubvisor.program.errors.contains("--gdb-arch i386"), "the way out is named")
        }

        @Test("gdb with 32-bit symbols debugs it with --gdb-arch i386", .needs(.kvm, .gdb))
        func symbols32() throws {
            let file = try Self.file(is64: false)
            let gdb = try GDB.run(
                Stubvisor(["--gdb-arch", "i386", file]), symbols: file,
                ["hbreak *0x10008a", "continue", "print/x $eax", "kill"])
            #expect(gdb["print/x $eax"].hasSuffix("= 0x55667788"), "\(gdb.transcript)")
        }
    }
}
