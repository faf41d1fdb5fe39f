import Foundation
import TestSupport
import Testing

extension Live {
    /// Disks and random numbers on virtio.
    @Suite struct DiskTests {
        private static let guests = ["apic": "disk", "kernel": "disk", "split": "disk", "gicv2": "disk-gic"]

        /// A disk whose first sector begins with `text`.
        private func disk(_ name: String, _ text: String = "first sector", sectors: Int = 8) throws -> String {
            var bytes = Array("\(text)\n".utf8)
            bytes += [UInt8](repeating: 0, count: sectors * 512 - bytes.count)
            return try Places.file(name, bytes)
        }

        private func run(_ arguments: [String]) throws -> Program.Result {
            try Program.run([Places.stubvisor, "run", "--gdb", "none"] + arguments)
        }

        @Test(
            "a guest reads and writes its disks by interrupts, with every kind of controllers", .needs(.kvm),
            arguments: ["apic", "kernel", "split", "gicv2"])
        func disks(irqchip: String) throws {
            let first = try disk("first-\(irqchip).img")
            let second = try disk("second-\(irqchip).img", "read only", sectors: 3)
            let result = try run([
                "--irqchip", irqchip, "--disk", first, "--disk", "\(second),ro", "--rng",
                try Guest.path(Self.guests[irqchip]!),
            ])
            #expect(result.status == 0 && !result.output.contains("WRONG"), "\(result)")
            for line in [
                "  sectors = 8\n", "  name: first-\(irqchip).img\n", "  sector 0: first sector\n",
                "  sectors = 3, read-only\n", "  sector 0: read only\n", "entropy\n", "devices = 3\n",
            ] { #expect(result.output.contains(line), "\(line) in \(result.output)") }
            let complaint = "virtio disk 0: first-\(irqchip).img, 8 sectors: its driver must reset it"
            #expect(result.errors.contains(complaint), "\(result.errors)")
            let written = try Places.bytes(first)
            #expect(written.count == 8 * 512 && written[512...].starts(with: Array("left by the guest\n".utf8)))
            #expect(try Places.bytes(second).dropFirst(10).allSatisfy { $0 == 0 })
        }

        @Test("monitor info mtree lists the disks, and their registers can be read", .needs(.kvm))
        func listed() throws {
            let stubvisor = try Stubvisor(guest: "disk", ["--disk", try disk("listed.img"), "--rng"])
            let client = try stubvisor.attach()
            let map = try client.monitor("info mtree")
            #expect(
                map.contains(
                    "0x00000000feb00000-0x00000000feb001ff  virtio disk 0: listed.img, 8 sectors, interrupt 5\n"),
                "\(map)")
            #expect(map.contains("0x00000000feb00200-0x00000000feb003ff  virtio entropy source, interrupt 10\n"))
            #expect(try client.request("mfeb00000,8") == "7669727402000000")
        }

        @Test("a breakpoint planted in what a guest writes to its disk does not get there", .needs(.kvm))
        func plantedByte() throws {
            let path = try disk("planted.img")
            let symbols = try Symbols(guest: "disk")
            let stubvisor = try Stubvisor(guest: "disk", ["--disk", path])
            let client = try stubvisor.attach()
            #expect(try client.insert(1, at: symbols["virtio_request"]) == "OK")
            // The fourth request writes.
            for _ in 0..<4 { #expect(try client.resume().kind == "T05") }
            #expect(try client.remove(1, at: symbols["virtio_request"]) == "OK")
            #expect(try client.insert(0, at: symbols["sectors"] + 5) == "OK")
            #expect(try client.resume().kind == "W00")
            #expect(try Places.bytes(path)[512...].starts(with: Array("left by the guest\n".utf8)))
        }

        @Test("a reset brings a disk's registers back, and what was written stays", .needs(.kvm))
        func reset() throws {
            let path = try disk("reset.img")
            let stubvisor = try Stubvisor(guest: "disk", ["--disk", path])
            let client = try stubvisor.attach()
            #expect(try client.insert(1, at: Symbols(guest: "disk")["power_off"]) == "OK")
            _ = try client.resume()
            #expect(try client.request("mfeb00070,4") == "0f000000")
            _ = try client.monitor("reset")
            #expect(try client.request("mfeb00070,4") == "00000000")
            _ = try client.resume()
            let program = stubvisor.program
            #expect(program.read(until: { $0.output.components(separatedBy: "interrupts = ").count == 3 }))
            #expect(!program.output.contains("WRONG"))
            #expect(try Places.bytes(path)[512...].starts(with: Array("left by".utf8)))
        }

        @Test("what cannot be a disk is refused with a reason", .needs(.kvm))
        func refused() throws {
            let guest = try Guest.path("disk")
            let odd = try Places.file("odd.img", [UInt8](repeating: 0, count: 1000))
            let empty = try Places.file("empty.img", [])
            let rows: [(String, Int32, String)] = [
                (odd, 65, "\(odd): a disk is one or more sectors of 512 bytes, and this has 1000 bytes"),
                (empty, 65, "\(empty): a disk is one or more sectors of 512 bytes, and this has 0 bytes"),
                ("/nowhere/disk", 65, "/nowhere/disk: No such file or directory"),
                (Places.scratch, 65, "\(Places.scratch): Is a directory"),
                ("\(Places.scratch),ro", 65, "\(Places.scratch): Is a directory"),
                ("/dev/null", 65, "/dev/null: neither a file nor a block device"),
                (",ro", 64, "--disk ,ro: expected FILE or FILE,ro"),
            ]
            for (text, status, reason) in rows {
                let result = try run(["--disk", text, guest])
                #expect(result.status == status && result.errors.contains(reason), "\(text): \(result)")
            }
            let good = try disk("nine.img")
            let many = try run(Array(repeating: ["--disk", "\(good),ro"], count: 9).flatMap { $0 } + [guest])
            #expect(many.status == 64 && many.errors.contains("room for 8 virtio devices"), "\(many)")
            // Two would write over what the other has written.
            let twice = try run(["--disk", good, "--disk", good, guest])
            #expect(twice.status == 71 && twice.errors.contains("another machine has it"), "\(twice)")
            #expect(try run(["--disk", "\(good),ro", "--disk", "\(good),ro", guest]).status == 0)
        }
    }
}
