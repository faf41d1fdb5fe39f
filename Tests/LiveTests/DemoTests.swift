import Foundation
import Testing

extension Live {
    @Suite("demo and doctor") struct Demo {
        @Test(
            "the demo stops at a function by name with source lines, and ends with status 0",
            .needs(.kvm, .gdb, .package))
        func demo() throws {
            let end = try Program.run([Places.stubvisor, "demo"], within: 120)
            #expect(end.status == 0)
            #expect(end.output.contains("Breakpoint 1, greet (name="))
            #expect(end.output.contains("void greet(const char *name) {"))
            #expect(end.output.contains("#0  greet"))
            #expect(end.output.contains("guest| hello from the guest"))
            #expect(end.output.contains("guest| goodbye"))
            #expect(end.output.contains("exited normally"))
            for word in ["rror:", "warning", "No symbol", "nvalid", "annot"] {
                #expect(!(end.output + end.errors).contains(word), "\(end.output)\(end.errors)")
            }
        }

        @Test("debug starts gdb on the kernel, connected, with symbols", .needs(.kvm, .gdb, .package))
        func debug() throws {
            let program = try Program([Places.stubvisor, "debug", Guest.path("hello")], merging: true, hasInput: true)
            program.type("break greet\ncontinue\nwhy\ncontinue\nquit\n")
            program.closeInput()
            let end = try program.end()
            #expect(end.status == 0)
            #expect(end.output.contains("Breakpoint 1, greet (name="))
            #expect(end.output.contains("vCPU 0: breakpoint at"))
            #expect(end.output.contains("exited normally"))
        }

        @Test("gdb that quits takes the machine with it", .needs(.kvm, .gdb))
        func debugQuit() throws {
            let program = try Program([Places.stubvisor, "debug", Guest.path("loop32")], merging: true, hasInput: true)
            program.type("quit\n")
            program.closeInput()
            #expect(try program.end().status == 0)
        }

        @Test("doctor says what works here, as JSON too", .needs(.kvm))
        func doctor() throws {
            let text = try Program.run([Places.stubvisor, "doctor"])
            #expect(text.status == 0)
            #expect(text.output.contains("yes"))
            let json = try Program.run([Places.stubvisor, "doctor", "--json"])
            #expect(json.status == 0)
            let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
            let advice = try #require(object?["advice"] as? [String: Any])
            for key in advice.keys { #expect(object?[key] != nil, "advice on what was not asked: \(key)") }
            #expect((object?.count ?? 0) > 5)
        }
    }
}
