import Foundation
import Primitives
import Testing

@testable import Architecture
@testable import Debugger

/// A session over an arm64 machine: what is not the same as on x86.
@Suite("arm64 sessions")
struct Arm64SessionTests {
    private func client(processors: Int = 1) -> Conversation { Conversation(.arm64(processors: processors)) }

    // MARK: - Registers

    @Test("g is the 34 general registers, and p reads and P writes each of the rest")
    func registers() {
        let client = client()
        #expect(client.ask("g").count == (33 * 8 + 4) * 2)
        for register in Arm64.layout.registers where !["cpsr", "sp"].contains(register.name) {
            let value = (0..<register.bits / 8).map { UInt8(truncatingIfNeeded: $0 * 3 + register.number) }
            let number = String(register.number, radix: 16)
            #expect(client.ask("P\(number)=\(hex(value))") == "OK", "\(register.name)")
            #expect(client.ask("p\(number)") == hex(value), "\(register.name)")
        }
    }

    @Test("G from another mode puts the stack pointer back where it was, whatever mode the processor is in")
    func stackOfAnotherMode() {
        let client = client()
        client.target.set("sp", 0x1111)
        client.target.set("sp_el0", 0x2222)
        let inKernel = client.ask("g")
        // EL0, whose stack pointer is another.
        client.target.set("cpsr", 0)
        client.target.set("sp", 0x3333)
        #expect(client.ask("G" + inKernel) == "OK")
        #expect(client.target.get("cpsr") == 0x3c5)
        #expect(client.target.get("sp_el1") == 0x1111 && client.target.get("sp_el0") == 0x3333)
    }

    @Test("a stop carries frame pointer, stack pointer and program counter by gdb's numbers")
    func expedited() throws {
        let client = client()
        client.target.set("pc", 0xffff_8000_0001_0000)
        client.target.set("sp", 0xffff_8000_0002_0000)
        let reply = try #require(client.stop(StopEvent(.stepped, on: 0)).last)
        #expect(reply.contains("1f:000002000080ffff;"), "\(reply)")
        #expect(reply.contains("20:000001000080ffff;") && reply.contains("1d:0000000000000000;"), "\(reply)")
    }

    @Test("info registers shows system and vector registers under their kinds")
    func kinds() {
        let client = client()
        client.target.set("ttbr1_el1", 0x4100_1000)
        #expect(client.monitor("info registers system").contains("ttbr1_el1    0000000041001000"))
        #expect(client.monitor("info registers general").contains("cpsr         000003c5"))
        let vectors = client.monitor("info registers vector")
        #expect(vectors.contains("v31") && vectors.contains("fpcr") && !vectors.contains("x30"))
    }

    @Test("what only x86 has is refused in words")
    func refusals() {
        let client = client()
        for command in ["msr read 0x10", "msr write EFER 1"] {
            #expect(client.monitor(command).contains("an arm64 processor has no MSRs"), "\(command)")
        }
        #expect(client.monitor("kaslr").contains("only x86-64 kernels"))
        #expect(client.replies("qOffsets") == [""])
    }

    // MARK: - Breakpoints

    @Test("a breakpoint is BRK #0, which no read shows, and goes with the breakpoint")
    func planted() {
        let client = client()
        client.target.ram.bytes.replaceSubrange(0x1000..<0x1008, with: [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(client.ask("Z0,1004,4") == "OK")
        #expect(client.target.ram.bytes[0x1000..<0x1008] == [1, 2, 3, 4, 0x00, 0x00, 0x20, 0xd4])
        #expect(client.ask("m1002,6") == "030405060708")
        // A write beneath it is the guest's instruction from then on.
        #expect(client.ask("M1006,2:aabb") == "OK")
        #expect(client.ask("z0,1004,4") == "OK")
        #expect(client.target.ram.bytes[0x1004..<0x1008] == [5, 6, 0xaa, 0xbb])
    }

    @Test("a breakpoint between instructions is refused; a watchpoint may be anywhere", arguments: ["Z0", "Z1"])
    func unaligned(kind: String) {
        let client = client()
        for address in ["1001", "1002", "1003"] { #expect(client.ask("\(kind),\(address),4").hasPrefix("E")) }
        #expect(client.target.armed.execution.isEmpty && client.target.armed.planted.isEmpty)
        #expect(client.ask("Z2,1003,7") == "OK")
        #expect(client.target.armed.watchpoints.map(\.count) == [7])
    }

    // MARK: - Address spaces

    /// 39 bits in 4 KiB pages: two tables at 0x1000 and 0x2000 for both halves, a table at 0x3000 with two pages.
    private func translating() -> Conversation {
        let client = client()
        client.target.walksTables = true
        let entries: [(Int, UInt64)] = [
            (0x1000, 0x2003), (0x2000, 0x3003), (0x2008, 0x0060_0000_0020_0489),
            (0x3000, 0x0040_0000_0000_4403), (0x3008, 0x0060_0000_0000_5c43),
        ]
        for (place, value) in entries { client.target.ram.bytes.store(value, at: place, count: 8) }
        client.target.set("sctlr_el1", 1)
        client.target.set("tcr_el1", 0x8019_0019)
        client.target.set("ttbr0_el1", 0x1000)
        client.target.set("ttbr1_el1", 0x1000)
        return client
    }

    @Test("memory is read through TTBR0 and TTBR1")
    func memory() {
        let client = translating()
        client.target.ram.bytes.replaceSubrange(0x4ffe..<0x5002, with: [1, 2, 3, 4])
        #expect(client.ask("mffe,4") == "01020304")
        #expect(client.ask("mffffff8000000ffe,4") == "01020304")
        #expect(client.ask("m8000000000,4").hasPrefix("E"))
    }

    @Test("info tlb and info mem list both halves, page by page and by rights")
    func listings() {
        let client = translating()
        let pages = client.monitor("info tlb").split(separator: "\n")
        #expect(
            pages == [
                "0x0000000000000000-0x0000000000000fff -> 0x000000004000 -rwx ga- 1 x 4 KiB",
                "0x0000000000001000-0x0000000000001fff -> 0x000000005000 urw- -a- 1 x 4 KiB",
                "0x0000000000200000-0x00000000003fffff -> 0x000000200000 -r-- ga- 1 x 2 MiB",
                "0xffffff8000000000-0xffffff8000000fff -> 0x000000004000 -rwx ga- 1 x 4 KiB",
                "0xffffff8000001000-0xffffff8000001fff -> 0x000000005000 urw- -a- 1 x 4 KiB",
                "0xffffff8000200000-0xffffff80003fffff -> 0x000000200000 -r-- ga- 1 x 2 MiB",
            ])
        let regions = client.monitor("info mem").split(separator: "\n")
        #expect(regions.count == 6)
        #expect(regions.first == "0000000000000000-0000000000001000 0000000000001000 -rw")
        #expect(client.monitor("gva2gpa 0x1008").hasPrefix("0x1008 -> 0x5008, 4 KiB page, writable, user, no-execute"))
        #expect(client.monitor("gva2gpa 0x2000").contains("level 3 descriptor at physical 0x3010 is not valid"))
        client.target.set("sctlr_el1", 0)
        #expect(client.monitor("info mem").hasPrefix("PG disabled"))
    }

    // MARK: - LLDB

    @Test("LLDB gets the processor, and that a watchpoint reports before the access")
    func host() {
        let reply = client().ask("qHostInfo")
        #expect(reply.contains("triple:\(hex("aarch64-unknown-none"));") && reply.contains("ptrsize:8;"))
        #expect(reply.contains("watchpoint_exceptions_received:before;"))
    }

    // MARK: - Real clients

    /// A machine with code, registers of which each is known, and steps that go on by an instruction.
    private func machine() -> Conversation {
        let client = Conversation(.arm64(processors: 2), features: nil)
        // nop; mov x0, #42; brk #1; ret
        let code: [UInt32] = [0xd503_201f, 0xd280_0540, 0xd420_0020, 0xd65f_03c0]
        for (i, word) in code.enumerated() { client.target.ram.bytes.store(word, at: 0x1000 + i * 4, count: 4) }
        client.target.set("pc", 0x1000)
        client.target.set("x0", 0x1234)
        client.target.set("ttbr1_el1", 0x4100_1000)
        client.target.set("cpsr", 0x6000_03c5)
        client.nextStop = { _ in
            client.target.set("pc", client.target.get("pc") + 4)
            return StopEvent(.stepped, on: 0)
        }
        return client
    }

    @Test(
        "gdb reads and writes every kind of register, disassembles and steps",
        .enabled(if: SocketClient.gdb != nil, "gdb-multiarch is not installed"))
    func gdb() throws {
        let machine = machine()
        let said = try SocketClient.run(machine) { path in
            let commands = [
                "target remote \(path)", "show architecture", "info registers x0 sp pc cpsr ttbr1_el1", "x/3i $pc",
                "stepi", "print/x $pc", "set var $v1.d.u[1] = 0x1122334455667788", "set var $ttbr0_el1 = 0x41002000",
                "set var $cpsr = 0x3c4", "set var $vbar_el1 = 0x80000", "set var $fpcr = 0x3000000",
                "print/x $v1.s.u", "print $cpsr", "info threads", "break *0x1008", "delete", "detach",
            ]
            return (SocketClient.gdb!, ["-nx", "-batch"] + commands.flatMap { ["-ex", $0] })
        }
        #expect(said.contains("(currently \"aarch64\")"), "\(said)")
        #expect(said.contains("0x1234") && said.contains("0x41001000"), "\(said)")
        #expect(said.contains("mov\tx0, #0x2a") && said.contains("brk\t#0x1"), "\(said)")
        #expect(said.contains("$1 = 0x1004"), "\(said)")
        #expect(said.contains("0x55667788, 0x11223344"), "\(said)")
        #expect(said.contains("[ EL=1 F I A D BTYPE=0 ]"), "\(said)")
        #expect(!said.contains("rror"), "\(said)")
        #expect(machine.target.get("ttbr0_el1") == 0x4100_2000 && machine.target.get("cpsr") == 0x3c4)
        #expect(machine.target.get("vbar_el1") == 0x8_0000 && machine.target.get("fpcr") == 0x300_0000)
    }

    @Test(
        "LLDB does the same",
        .enabled(if: SocketClient.lldb != nil, "lldb 19 is not installed"))
    func lldb() throws {
        let machine = machine()
        let said = try SocketClient.run(machine) { path in
            let commands = [
                "settings set plugin.process.gdb-remote.packet-timeout 30", "process connect unix-connect://\(path)",
                "register read x0 sp pc cpsr ttbr1_el1", "disassemble --start-address 0x1000 --count 3",
                "thread step-inst", "register write x3 0x77", "register write ttbr0_el1 0x41002000",
                "register read v1", "thread list", "target list", "process detach",
            ]
            return (SocketClient.lldb!, ["--no-lldbinit", "--batch"] + commands.flatMap { ["-o", $0] })
        }
        #expect(said.contains("aarch64"), "\(said)")
        #expect(said.contains("0x0000000000001234") && said.contains("0x0000000041001000"), "\(said)")
        #expect(said.contains("mov    x0, #0x2a") && said.contains("brk    #0x1"), "\(said)")
        #expect(said.contains("vCPU 1"), "\(said)")
        #expect(machine.target.get("x3") == 0x77 && machine.target.get("ttbr0_el1") == 0x4100_2000, "\(said)")
        #expect(machine.target.get("pc") == 0x1004, "\(said)")
    }

    // MARK: - Catches

    @Test(
        "exceptions are caught by their class, which stands for those from EL0 as well",
        arguments: [
            ("data-abort", [0x24, 0x25]), ("Instruction-Abort", [0x20, 0x21]), ("svc", [0x15]), ("brk", [0x3c]),
            ("undefined", [0x00]), ("misaligned-sp", [0x26]), ("serror", [0x2f]), ("0x15", [0x15]), ("37", [0x25]),
        ] as [(String, Set<UInt8>)])
    func exceptionClasses(_ word: String, _ classes: Set<UInt8>) {
        let client = client()
        #expect(client.monitor("catch exception \(word)").hasPrefix("1: exception "))
        #expect(
            client.target.armed.catches.map(\.kind)
                == [.exceptionClasses(Set(classes.map(Arm64ExceptionClass.init(rawValue:))))])
    }

    @Test("every synchronous exception is caught by all, and SError by its name only")
    func allExceptions() throws {
        let client = client()
        #expect(client.monitor("catch exception all") == "1: every synchronous exception\n")
        guard case .exceptionClasses(let all) = try #require(client.target.armed.catches.first).kind else {
            Issue.record("no exceptions are caught")
            return
        }
        #expect(all.isSuperset(of: [.supervisorCall, .dataAbortSame, .dataAbortLower, .breakpointInstruction]))
        #expect(!all.contains(.systemError) && !all.contains(.hypervisorCall))
    }

    @Test(
        "what EL1 never takes from AArch64 is no exception", arguments: ["#PF", "hvc", "0x16", "0x33", "300", "bkpt"])
    func noExceptionClasses(_ word: String) {
        let answer = client().monitor("catch exception \(word)")
        #expect(answer.hasPrefix("error: \(word) is no exception: there are undefined, "), "\(answer)")
        #expect(answer.contains("data-abort, ") && answer.hasSuffix(", and all\n"), "\(answer)")
    }
}
