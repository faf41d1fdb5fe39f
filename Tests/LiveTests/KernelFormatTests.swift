import Foundation
import TestSupport
import Testing

extension Live {
    /// Kernels of other people's formats, on the machine that its tables describe.
    @Suite struct KernelFormatTests {
        /// Prints the command line of the zero page at ESI on COM1 and powers off; the same bytes in 32 and 64 bits: mov
        /// esi, [esi + 0x228]; mov dx, 0x3f8; lodsb; test al, al; jz off; out dx, al; jmp to lodsb; off: mov dx, 0x604;
        /// mov ax, 0x2000; out dx, ax; hlt.
        private static let printsCommandLine: [UInt8] = [
            0x8b, 0xb6, 0x28, 2, 0, 0, 0x66, 0xba, 0xf8, 3, 0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8, 0x66, 0xba, 4,
            6,
            0x66, 0xb8, 0, 0x20, 0x66, 0xef, 0xf4,
        ]

        private func run(_ arguments: [String], launcher: [String] = []) throws -> Program.Result {
            try Program.run(launcher + [Places.stubvisor, "run", "--gdb", "none"] + arguments)
        }

        @Test("a bzImage gets its command line by the entry it has", .needs(.kvm), arguments: [0, 1] as [UInt64])
        func bzImage(flags64: UInt64) throws {
            let image = TestLinux(
                flags64: flags64, code32: flags64 == 0 ? Self.printsCommandLine : [0xf4],
                code64: flags64 == 1 ? Self.printsCommandLine : [0xf4])
            let file = try Places.file("bzImage\(flags64)", image.file)
            let result = try run([file, "--", "console=ttyS0", "panic=-1"])
            #expect(result.status == 0 && result.output == "console=ttyS0 panic=-1", "\(result)")
        }

        /// Tools that compress, as far as they are here, with the Debian package that each is in.
        private static let compressors = [
            ("gzip", "gzip"), ("xz", "xz-utils"), ("zstd", "zstd"), ("lz4", "lz4"), ("lz4 -l", "lz4"),
            ("bzip2", "bzip2"),
        ].filter { FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0.0.split(separator: " ")[0])") }

        @Test("a compressed kernel is unpacked by the host's tool, which is said", .needs(.kvm), arguments: compressors)
        func compressed(command: String, package: String) throws {
            let tool = String(command.split(separator: " ")[0])
            let packed = Places.scratch + "/hello.\(command.filter(\.isLetter))"
            let made = try Program.run(["sh", "-c", "\(command) -c <\(try Guest.path("hello")) >\(packed)"])
            #expect(made.status == 0)
            let result = try run([packed])
            #expect(result.status == 0 && result.output.contains("goodbye"), "\(result)")
            #expect(result.errors.contains("\(packed) is \(tool)-compressed: unpacked by \(tool) to "))
            // Cut off, it is a bad image.
            let cut = try Places.file("cut.\(tool)", Array(try Places.bytes(packed).dropLast(1000)))
            let refused = try run([cut])
            #expect(refused.status == 65 && refused.errors.contains("cannot be unpacked: \(tool) ended with status"))
            let alone = try run([packed], launcher: ["/usr/bin/env", "PATH=/nowhere"])
            #expect(alone.status == 71 && alone.errors.contains("is \(tool)-compressed, and \(tool) cannot be started"))
            #expect(alone.errors.contains("apt install \(package)"))
        }

        @Test(
            "the platform's tables agree with the machine, which powers off by them", .needs(.kvm),
            arguments: ["apic", "kernel", "split"], [1, 2])
        func platform(irqchip: String, processors: Int) throws {
            let result = try run(
                ["--irqchip", irqchip, "--cpus", "\(processors)", try Guest.path("platform")])
            #expect(result.status == 0, "\(result)")
            #expect(!result.output.contains("WRONG") && result.output.contains("off by the tables"), "\(result.output)")
            #expect(result.output.contains("processors = \(processors)\n"))
        }

        @Test(
            "a kernel finds what multiboot hands over, of either version", .needs(.kvm),
            arguments: ["multiboot", "multiboot2"])
        func multiboot(format: String) throws {
            let kernel = try Guest.path("loaders")
            let initrd = try Places.file("initrd.img", Array("one".utf8))
            let second = try Places.file("second.img", Array("two".utf8))
            let result = try run([
                "--format", format, "--initrd", initrd, "--module", "\(second),a=1,b 2", kernel, "--", "x", "y=z",
            ])
            #expect(result.status == 0, "\(result)")
            let isFirst = format == "multiboot"
            let lines = [
                "multiboot \(isFirst ? 1 : 2)", "command line: \(isFirst ? kernel + " " : "")x y=z",
                "module \"initrd\": one", "module \"\(second) a=1,b 2\": two", "upper memory: \(255 * 1024)",
                "screen: 80",
            ]
            let printed = Set(result.output.split(separator: "\n").map(String.init))
            for line in lines + (isFirst ? [] : ["ACPI"]) {
                #expect(printed.contains(line), "\(line) in \(result.output)")
            }
            #expect(printed.contains { $0.hasPrefix("sections: ") && $0 != "sections: 0" })
        }

        @Test("the console can show the text screen in the place of the serial port", .needs(.kvm))
        func screenOnConsole() throws {
            let result = try run(["--console", "screen", try Guest.path("loaders")])
            #expect(result.status == 0 && result.output == "hello on the screen\n", "\(result)")
        }

        @Test("monitor screen shows the text screen and its cursor", .needs(.kvm))
        func screen() throws {
            let stubvisor = try Stubvisor(guest: "loaders")
            let client = try stubvisor.attach()
            // The two halves of the cursor's place are the last that is written.
            _ = try client.monitor("catch io 0x3d5")
            for _ in 0..<2 { #expect(try client.request("c").hasPrefix("T05")) }
            #expect(try client.monitor("screen") == "hello on the screen\ncursor: row 0, column 19\n")
        }

        @Test(
            "what a software KVM leaves out of a 32-bit kernel is named where it dies of it",
            .needs(.kvm, .finding("emulates_kernel_mode", .yes)))
        func missingEmulation() throws {
            // pushfd; push cs; push 0x100008; iretd; hlt
            let iret: [UInt8] = [0x9c, 0x0e, 0x68, 8, 0, 0x10, 0, 0xcf, 0xf4]
            // mov eax, 0x200000; mov cr3, eax; mov eax, cr0; or eax, 0x80000000; mov cr0, eax; hlt
            let paging: [UInt8] = [
                0xb8, 0, 0, 0x20, 0, 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, 0, 0, 0, 0x80, 0x0f, 0x22, 0xc0, 0xf4,
            ]
            for (name, code, what) in [("iret", iret, "an IRET"), ("paging", paging, "paging")] {
                let file = try Places.file("\(name).bin", code)
                let result = try run(["--format", "flat", "--cpu-mode", "protected", file])
                #expect(result.status == 70, "\(result)")
                #expect(
                    result.errors.contains("\(what) outside long mode, which this host's KVM does not emulate"),
                    "\(result.errors)")
            }
        }

        @Test("a BIOS call of a guest in real mode is named, with where it came from", .needs(.kvm))
        func biosCall() throws {
            // mov ax, 0x0e41; int 0x10
            let file = try Places.file("bioscall.bin", [0xb8, 0x41, 0x0e, 0xcd, 0x10, 0xf4])
            let result = try run(["--format", "flat", file])
            #expect(result.status == 70, "\(result)")
            #expect(result.errors.contains("INT 10h AH=0eh, no BIOS; it returns to 0:7c05"), "\(result.errors)")
        }

        @Test("a debugger is stopped at a BIOS call, and the guest goes on behind it", .needs(.kvm))
        func biosCallInDebugger() throws {
            // mov ah, 0x42; int 0x13; mov al, 3; out 0xf4, al
            let stubvisor = try Stubvisor(flat: [0xb4, 0x42, 0xcd, 0x13, 0xb0, 3, 0xe6, 0xf4, 0xf4])
            let client = try stubvisor.attach()
            let stop = try client.request("c")
            #expect(stop.hasPrefix("T"), "\(stop)")
            #expect(try client.request("c").hasPrefix("W07"))
        }

        @Test("firmware starts at its reset vector, and cannot be written", .needs(.kvm), arguments: [128, 4096])
        func firmware(kibibytes: Int) throws {
            var rom = [UInt8](repeating: 0, count: kibibytes << 10)
            let (reset, main) = (rom.count - 16, rom.count - 0x100)
            // jmp far 0xf000:0xff00, which is the shadow.
            rom.replaceSubrange(reset..<reset + 5, with: [0xea, 0, 0xff, 0, 0xf0])
            // There, in 16 bits: lgdt [cs:0xff80]; mov eax, 0x11; mov cr0, eax; jmp dword 8:0xffffff20, which is the ROM.
            let start: [UInt8] = [
                0x2e, 0x66, 0x0f, 0x01, 0x16, 0x80, 0xff, 0x66, 0xb8, 0x11, 0, 0, 0, 0x0f, 0x22, 0xc0, 0x66, 0xea, 0x20,
                0xff, 0xff, 0xff, 8, 0,
            ]
            rom.replaceSubrange(main..<main + start.count, with: start)
            // In 32 bits: mov ax, 0x10; mov ds, ax; mov byte [0xffffffc0], 0x55; mov al, [0xffffffc0]; out 0xf4, al; hlt
            let code: [UInt8] = [
                0x66, 0xb8, 0x10, 0, 0x8e, 0xd8, 0xc6, 0x05, 0xc0, 0xff, 0xff, 0xff, 0x55, 0xa0, 0xc0, 0xff, 0xff, 0xff,
                0xe6,
                0xf4, 0xf4,
            ]
            rom.replaceSubrange(main + 0x20..<main + 0x20 + code.count, with: code)
            rom[rom.count - 0x40] = 0x21
            // The table's limit and place, then null, code and data.
            rom.replaceSubrange(main + 0x80..<main + 0x86, with: [0x17, 0, 0x90, 0xff, 0x0f, 0])
            rom.replaceSubrange(main + 0x98..<main + 0xa0, with: [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0])
            rom.replaceSubrange(main + 0xa0..<main + 0xa8, with: [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0])
            let file = try Places.file("rom\(kibibytes).bin", rom)
            let result = try Program.run([Places.stubvisor, "run", "--gdb", "none", "--firmware", file])
            #expect(result.status == 0x43, "\(result)")
        }

        @Test(
            "SeaBIOS finds memory and processors, and no disk", .needs(.kvm, .seaBIOS),
            arguments: ["bios.bin", "bios-256k.bin"])
        func seaBIOS(name: String) throws {
            let stubvisor = try Stubvisor([
                "--running", "--cpus", "2", "--memory", "64M", "--firmware", "/usr/share/seabios/\(name)",
            ])
            let isDone = stubvisor.program.read(
                within: 60, until: { $0.output.contains("No bootable device") })
            #expect(isDone, "\(stubvisor.program.output)")
            for line in ["RamSize: 0x04000000 [cmos]", "Found 2 cpu(s) max supported 2 cpu(s)"] {
                #expect(stubvisor.program.output.contains(line), "\(line)")
            }
        }

        /// In real mode, prints the text at DS:SI on COM1 and powers off: lodsb; test al, al; jz off; mov dx, 0x3f8; out dx, al;
        /// jmp to lodsb; off: mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt.
        private static let printsText: [UInt8] = [
            0xac, 0x84, 0xc0, 0x74, 6, 0xba, 0xf8, 3, 0xee, 0xeb, 0xf5, 0xba, 4, 6, 0xb8, 0, 0x20, 0xef, 0xf4,
        ]

        @Test("SeaBIOS boots the kernel that it is given, with its command line", .needs(.kvm, .seaBIOS))
        func seaBIOSKernel() throws {
            // mov ax, 0x2000; mov ds, ax; xor si, si: where the command line is.
            let image = TestLinux(setup: [0xb8, 0, 0x20, 0x8e, 0xd8, 0x31, 0xf6] + Self.printsText)
            let kernel = try Places.file("payload.bz", image.file)
            let initrd = try Places.file("payload.initrd", [1, 2, 3])
            let result = try run([
                "--firmware", "/usr/share/seabios/bios.bin", "--initrd", initrd, kernel, "--", "root=/dev/vda", "quiet",
            ])
            #expect(result.status == 0 && result.output.hasSuffix("root=/dev/vda quiet"), "\(result)")
        }

        @Test("SeaBIOS boots a virtio disk, which it finds by the ACPI tables that fw_cfg has", .needs(.kvm, .seaBIOS))
        func seaBIOSDisk() throws {
            var disk = try Places.bytes(try Guest.path("realmode"))
            disk += [UInt8](repeating: 0, count: 8 << 20 - disk.count)
            let file = try Places.file("boot.img", disk)
            let result = try run(["--firmware", "/usr/share/seabios/bios-256k.bin", "--disk", file])
            #expect(result.status == 0, "\(result)")
            for line in ["virtio-mmio device VIO0 at 0xfeb00000, irq 5", "hello from real mode"] {
                #expect(result.output.contains(line), "\(line) in \(result.output)")
            }
        }

        @Test("firmware reads by fw_cfg what the kernel's pieces are", .needs(.kvm))
        func firmwareKernel() throws {
            // mov dx, 0x510; mov ax, 0x15; out dx, ax; inc dx; in al, dx; test al, al; jz off; mov dx, 0x3f8; out dx, al;
            // mov dx, 0x511; jmp to in; off: mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt
            let code: [UInt8] = [
                0xba, 0x10, 5, 0xb8, 0x15, 0, 0xef, 0x42, 0xec, 0x84, 0xc0, 0x74, 9, 0xba, 0xf8, 3, 0xee, 0xba, 0x11, 5,
                0xeb, 0xf2, 0xba, 4, 6, 0xb8, 0, 0x20, 0xef, 0xf4,
            ]
            var rom = [UInt8](repeating: 0, count: 64 << 10)
            rom.replaceSubrange(rom.count - 0x100..<rom.count - 0x100 + code.count, with: code)
            rom.replaceSubrange(rom.count - 16..<rom.count - 11, with: [0xea, 0, 0xff, 0, 0xf0])
            let file = try Places.file("reader.bin", rom)
            let kernel = try Places.file("plain.bz", TestLinux().file)
            let result = try run(["--firmware", file, kernel, "--", "a=b", "c"])
            #expect(result.status == 0 && result.output == "a=b c", "\(result)")
            // What is refused is named: a kernel of another format, and a ROM that is no multiple of a page.
            let hello = try Guest.path("hello")
            let other = try run(["--firmware", file, hello])
            #expect(other.status == 65 && other.errors.contains("\(hello): "), "\(other)")
            let short = try Places.file("short.bin", [1, 2, 3])
            let wrong = try run(["--firmware", short, kernel])
            #expect(wrong.status == 65 && wrong.errors.contains("\(short): "), "\(wrong)")
            let nothing = try run(["--firmware", file, "--", "a"])
            #expect(nothing.status == 65 && nothing.errors.contains("to a kernel, and there is none"), "\(nothing)")
        }

        @Test("a guest's panic is the end where nobody looks", .needs(.kvm))
        func panic() throws {
            // mov dx, 0x505; mov al, 1; out dx, al; hlt
            let file = try Places.file("panic.bin", [0xba, 5, 5, 0xb0, 1, 0xee, 0xf4])
            let result = try run(["--format", "flat", file])
            #expect(result.status == 70 && result.errors.contains("the guest reports that it has crashed (pvpanic)"))
        }
    }
}
