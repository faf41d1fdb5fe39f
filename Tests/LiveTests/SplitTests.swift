import Foundation
import Testing

// The kernel's local APICs with the built-in I/O APIC, 8259 pair and 8254: what is special about them. What all kinds do is
// in InterruptTests.
extension Live.Interrupts {
    @Test("with the kernel's local APICs every view is there, and what is not seen is said", .needs(.kvm))
    func splitViews() throws {
        let (guest, _) = try guest(in: 1, ["--irqchip", "split"])
        #expect(try guest.monitor("info irqs enabled").contains("0x44"))
        #expect(try guest.monitor("info ioapic").contains("ver=0x20"))
        #expect(try guest.monitor("info lapic").contains("APIC enabled"))
        #expect(try guest.monitor("info pic").contains("pic0"))
        #expect(try guest.monitor("inject-irq 4").contains("will deliver on resume"))
        let trace = try guest.monitor("irq trace 3")
        #expect(trace.contains("raise") && trace.contains("pend") && !trace.contains("deliver  "), "\(trace)")
        #expect(try guest.monitor("irq trace 3 --json").contains("\"event\":\"pend\""))
        for command in ["irq trace", "irq stats", "irq warnings"] {
            #expect(try guest.monitor(command).contains("n/a (kernel irqchip)"), "\(command)")
        }
        #expect(try guest.monitor("irq stats 4 --json").contains("\"ack->eoi\":null"))
        #expect(try guest.monitor("irq why 4").contains("IRR[0x44] = 1"))
        #expect(try guest.monitor("clear-irq 0x44 cpu 0").contains("taken back"))
        #expect(try guest.monitor("irq why 4").contains("IRR[0x44] = 0"))
        #expect(try guest.monitor("catch irq 4 eoi").contains("edge-triggered"))
        #expect(try guest.monitor("irq mask 4").contains("is masked"))
        #expect(try guest.monitor("inject-irq 4").contains("BLOCKED"))
        #expect(try guest.monitor("irq unmask 4").contains("unmasked"))
        #expect(try guest.monitor("irq route 4 0").contains("goes to 0x0"))
        #expect(try guest.monitor("inject-msi 0xfee0e000 0x44").contains("no local APIC accepted it"))
        #expect(try guest.monitor("irq warnings").contains("was sent and not accepted"))
    }

    @Test("vectors, messages and NMIs by hand reach the guest", .needs(.kvm), arguments: Self.kinds)
    func byHand(kind: String) throws {
        let (guest, symbols) = try guest(in: 1, ["--irqchip", kind])
        let commands = ["inject-vector 0x44", "inject-ipi 0x44 to 0", "inject-msi 0xfee00000 0x44"]
        #expect(try guest.insert(0, at: symbols["on_uart"]) == "OK")
        for command in commands {
            #expect(try guest.monitor(command).contains("will deliver on resume"))
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == symbols["on_uart"], "\(command)")
        }
        #expect(try guest.insert(0, at: symbols["on_nmi"]) == "OK")
        #expect(try guest.monitor("inject-nmi").contains("will deliver on resume"))
        #expect(try guest.resume().kind == "T05")
        #expect(try guest.register("rip") == symbols["on_nmi"])
    }

    @Test("a level-triggered line comes again until it is lowered", .needs(.kvm), arguments: Self.kinds)
    func levels(kind: String) throws {
        let (guest, symbols) = try guest(in: 8, ["--irqchip", kind])
        let place = try symbols["line_hits"]
        let start = try guest.word(at: place)
        #expect(try guest.monitor("inject-irq 4").contains("no device lowers it"))
        #expect(try guest.insert(0, at: symbols["on_uart"]) == "OK")
        for round in 0..<20 as Range<UInt64> {
            #expect(try guest.resume().kind == "T05")
            guard try guest.word(at: place) == start + round else {
                Issue.record("\(try guest.word(at: place) - start) of \(round)")
                return
            }
        }
        #expect(try guest.remove(0, at: symbols["on_uart"]) == "OK")
        #expect(try guest.monitor("lower-irq 4").contains("is low"))
        // The one under way is the last: the line's next interrupt is an edge of the debugger's.
        #expect(try guest.insert(0, at: symbols["in_situation"]) == "OK")
        #expect(try guest.monitor("irq why 4").contains("level = low"))
    }

    /// Sets the 8259 pair up with vectors from 0x20, counter 0 to a rate of 291 Hz, counts 50 interrupts 0 in HLT, and
    /// exits with 21.
    private static let ticks: [UInt8] = [
        0xfa, 0x31, 0xc0,  // cli; xor ax, ax
        0x8e, 0xd8, 0x8e, 0xd0,  // mov ds, ax; mov ss, ax
        0xbc, 0x00, 0x7c,  // mov sp, 0x7c00
        0xc7, 0x06, 0x80, 0x00, 0x41, 0x7c,  // mov word [0x80], 0x7c41
        0xa3, 0x82, 0x00,  // mov [0x82], ax
        0xa2, 0x00, 0x05,  // mov [0x500], al
        0xb0, 0x11, 0xe6, 0x20,  // ICW1
        0xb0, 0x20, 0xe6, 0x21,  // ICW2
        0xb0, 0x04, 0xe6, 0x21,  // ICW3
        0xb0, 0x01, 0xe6, 0x21,  // ICW4
        0xb0, 0xfe, 0xe6, 0x21,  // input 0 alone
        0xb0, 0x34, 0xe6, 0x43,  // counter 0, both bytes, rate generator
        0xb0, 0x00, 0xe6, 0x40,
        0xb0, 0x10, 0xe6, 0x40,  // 4096
        0xfb, 0xf4, 0xeb, 0xfd,  // 7c36: sti; hlt; jmp to the hlt
        0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,  // up to 7c41
        0xfe, 0x06, 0x00, 0x05,  // 7c41: inc byte [0x500]
        0xb0, 0x20, 0xe6, 0x20,  // end of interrupt
        0x80, 0x3e, 0x00, 0x05, 50,  // cmp byte [0x500], 50
        0x75, 0x04,  // jne
        0xb0, 21, 0xe6, 0xf4,  // mov al, 21; out 0xf4, al
        0xcf,  // iret
    ]

    @Test("the 8254's interrupts reach the boot processor through the 8259", .needs(.kvm), arguments: Self.kinds)
    func pair(kind: String) throws {
        let file = try Places.file("ticks.bin", Self.ticks)
        let arguments = ["run", "--irqchip", kind, "--gdb", "none", "--format", "flat", "--cpu-mode", "real"]
        let end = try Program.run([Places.stubvisor] + arguments + [file])
        #expect(end.status == 21 << 1 | 1, "\(end.errors)")
    }

    @Test("other guests run too", .needs(.kvm), arguments: ["hello", "smp"], ["1", "2"])
    func otherGuests(name: String, cpus: String) throws {
        let outputs = try ["split", "kernel"].map { kind in
            let arguments = ["run", "--irqchip", kind, "--gdb", "none", "--cpus", cpus, try Guest.path(name)]
            let end = try Program.run([Places.stubvisor] + arguments)
            #expect(end.status == 0, "\(end.errors)")
            return end.output.split(separator: "\n").sorted()
        }
        #expect(outputs[0] == outputs[1])
    }

    @Test("a reset starts the guest again", .needs(.kvm))
    func resetSplit() throws {
        let (guest, symbols) = try guest(in: 8, ["--irqchip", "split", "--cpus", "2"])
        #expect(try guest.monitor("reset") != "")
        #expect(try guest.insert(0, at: symbols["power_off"]) == "OK")
        #expect(try guest.resume().kind == "T05")
        #expect(try guest.word(at: symbols["sent"]) == 21)
        #expect(try guest.word(at: symbols["ticks"]) == 100)
    }
}
