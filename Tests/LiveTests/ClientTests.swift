import Testing

extension Live {
    /// gdb 13, gdb 16 and lldb play the scripts of `Transcripts`, and say what is written there (see ClientScript).
    @Suite("real clients on one script each") struct ClientTranscripts {
        @Test(
            "the host's gdb", .needs(.kvm, .gdb), .compilersOfTranscripts, arguments: ClientScript.all(of: .gdb))
        func gdb(script: ClientScript) throws { try play(script, on: .gdb) }

        @Test(
            "gdb 16", .needs(.kvm, .trixie), .gdb16, .compilersOfTranscripts, arguments: ClientScript.all(of: .gdb16))
        func gdb16(script: ClientScript) throws { try play(script, on: .gdb16) }

        @Test("lldb 19", .needs(.kvm, .lldb), .compilersOfTranscripts, arguments: ClientScript.all(of: .lldb))
        func lldb(script: ClientScript) throws { try play(script, on: .lldb) }

        private func play(_ script: ClientScript, on client: ScriptedClient) throws {
            let server = try Stubvisor(guest: script.guest, script.options)
            let answers = try client.play(script.commands(), to: server, guest: script.guest)
            let end = try server.program.end()
            #expect(end.status == 0, "\(end.errors)")
            let text = try script.text(answers: answers, console: end.output)
            if ClientScript.renews, script.clients.first == client {
                try text.write(toFile: script.path, atomically: true, encoding: .utf8)
            }
            let found = try Places.file("\(script.name)-\(client.rawValue).txt", Array(text.utf8))
            let difference = try Program.run(
                ["diff", "-u", "--label", "expected", "--label", "\(client.rawValue) said", script.path, found])
            #expect(difference.status == 0, "\(script.name):\n\(difference.output)\(difference.errors)")
        }
    }
}
