import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

@Suite("vCPUs as threads")
struct ThreadTests {
    private func client(_ features: String, processors: Int = 3) -> Conversation {
        Conversation(SimulatedTarget(processors: processors), features: features)
    }

    @Test("with processes a thread is p1.n, without it is n")
    func identifiers() {
        let (with, without) = (client("multiprocess+"), client(""))
        #expect(with.ask("qfThreadInfo") == "mp1.1,p1.2,p1.3")
        #expect(without.ask("qfThreadInfo") == "m1,2,3")
        for client in [with, without] { #expect(client.ask("qsThreadInfo") == "l") }
        #expect(with.ask("qC") == "QCp1.1")
        #expect(without.ask("qC") == "QC1")
        #expect(with.ask("?").contains("thread:p1.1;"))
        #expect(without.ask("?").contains("thread:1;"))
    }

    @Test("64 vCPUs have their numbers in hexadecimal")
    func many() {
        let list = client("", processors: 64).ask("qfThreadInfo")
        #expect(list == "m" + (1...64).map { String($0, radix: 16) }.joined(separator: ","))
    }

    @Test(
        "a thread that exists is alive, another is not",
        arguments: [
            ("T1", "OK"), ("T3", "OK"), ("T4", "E03"), ("Tp1.2", "OK"), ("Tp1.40", "E03"), ("Tp2.1", "E03"),
            ("Txyz", "E01"),
        ])
    func alive(packet: String, reply: String) { #expect(client("multiprocess+").ask(packet) == reply) }

    @Test("Hg selects; any and all leave the selection as it is")
    func select() {
        let client = client("multiprocess+")
        #expect(client.ask("Hgp1.3") == "OK")
        for packet in ["Hg0", "Hg-1", "Hgp1.-1", "Hgp0.0"] {
            #expect(client.ask(packet) == "OK", "\(packet)")
            #expect(client.ask("qC") == "QCp1.3", "\(packet)")
        }
        for packet in ["Hg4", "Hgp2.1", "Hgp1.99"] { #expect(client.ask(packet) == "E03", "\(packet)") }
        #expect(client.ask("qC") == "QCp1.3")
        #expect(client.ask("Hx1") == "")
    }

    @Test("qThreadExtraInfo says what a vCPU does")
    func extraInfo() {
        let client = client("multiprocess+")
        #expect(text(hex: client.ask("qThreadExtraInfo,p1.2")) == "vCPU 1, state of 1")
        #expect(text(hex: client.ask("qThreadExtraInfo,3")) == "vCPU 2, state of 2")
        #expect(client.ask("qThreadExtraInfo,9") == "E03")
    }

    @Test("the thread list has each vCPU with its core and name", arguments: ["", "multiprocess+"])
    func list(features: String) {
        let reply = client(features).ask("qXfer:threads:read::0,1000")
        #expect(reply.hasPrefix("l<?xml"))
        for processor in 0..<3 {
            let name = features.isEmpty ? "\(processor + 1)" : "p1.\(processor + 1)"
            #expect(reply.contains("<thread id=\"\(name)\" core=\"\(processor)\" name=\"vCPU \(processor)\">"))
        }
    }
}
