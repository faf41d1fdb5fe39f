import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

/// GDB manual (17), "General Query Packets", qSupported: the table of stub features.
@Suite("What qSupported announces is what is answered")
struct FeatureTests {
    /// A stub feature, and how a client sees that the server has it.
    struct Feature: CustomTestStringConvertible, Sendable {
        let name: String
        let evidence: Evidence
        var testDescription: String { name }

        enum Evidence: Sendable {
            /// A packet that a server without the feature answers with nothing.
            case packet(String)
            /// Whether a conversation with `client`'s features shows it.
            case sight(client: String, @Sendable (Conversation) -> Bool)
            /// It needs processes, an operating system or another connection than this one: a server for kernels has it not.
            case none
        }
    }

    private static func packet(_ name: String, _ packet: String) -> Feature {
        Feature(name: name, evidence: .packet(packet))
    }

    /// Whether a stop at a breakpoint of kind `kind` names `reason`.
    private static func stop(kind: Int, names reason: String) -> @Sendable (Conversation) -> Bool {
        { client in
            guard client.ask("Z\(kind),1000,1") == "OK" else { return false }
            return client.stop(StopEvent(.breakpoint(VirtualAddress(0x1000)), on: 0)).last?.contains(reason) == true
        }
    }

    static let table: [Feature] =
        [
            "auxv:read", "btrace:read", "btrace-conf:read", "exec-file:read", "libraries:read", "libraries-svr4:read",
            "osdata:read", "sdata:read", "siginfo:read", "siginfo:write", "statictrace:read", "threads:read",
            "traceframe-info:read", "uib:read", "fdpic:read", "memory-map:read",
        ].map { packet("qXfer:\($0)", "qXfer:\($0)::0,10") } + [
            packet("qXfer:features:read", "qXfer:features:read:target.xml:0,10"),
            packet("Qbtrace:off", "Qbtrace:off"), packet("Qbtrace:bts", "Qbtrace:bts"),
            packet("Qbtrace:pt", "Qbtrace:pt"), packet("Qbtrace-conf:bts:size", "Qbtrace-conf:bts:size=1000"),
            packet("Qbtrace-conf:pt:size", "Qbtrace-conf:pt:size=1000"),
            packet("Qbtrace-conf:pt:ptwrite", "Qbtrace-conf:pt:ptwrite=\"yes\""),
            packet("Qbtrace-conf:pt:event-tracing", "Qbtrace-conf:pt:event-tracing=\"yes\""),
            packet("QNonStop", "QNonStop:0"), packet("QCatchSyscalls", "QCatchSyscalls:1"),
            packet("QPassSignals", "QPassSignals:e"), packet("QProgramSignals", "QProgramSignals:e"),
            packet("QStartNoAckMode", "QStartNoAckMode"), packet("QSetWorkingDir", "QSetWorkingDir:2f"),
            packet("QStartupWithShell", "QStartupWithShell:0"), packet("QEnvironmentReset", "QEnvironmentReset"),
            packet("QEnvironmentHexEncoded", "QEnvironmentHexEncoded:613d62"),
            packet("QEnvironmentUnset", "QEnvironmentUnset:61"), packet("ReverseContinue", "bc"),
            packet("ReverseStep", "bs"), packet("TracepointSource", "QTDPsrc:1:1000:cond:0:0:"),
            packet("ConditionalTracepoints", "QTDP:1:1000:E:0:0:X1,00"), packet("QAgent", "QAgent:1"),
            packet("QAllow", "QAllow:WriteReg:1"), packet("QDisableRandomization", "QDisableRandomization:1"),
            packet("EnableDisableTracepoints", "QTEnable:1:1000"), packet("QTBuffer:size", "QTBuffer:size:1000"),
            packet("tracenz", "QTv"), packet("QThreadEvents", "QThreadEvents:1"),
            packet("QThreadOptions", "QThreadOptions;0"), packet("memory-tagging", "qMemTags:1000,10:0"),
            packet("vContSupported", "vCont?"), packet("binary-upload", "x1000,1"),
        ] + seen
        + [
            "augmented-libraries-svr4-read", "fork-events", "vfork-events", "exec-events", "FastTracepoints",
            "StaticTracepoints", "InstallInTrace", "DisconnectedTracing", "single-inf-arg",
        ].map {
            Feature(name: $0, evidence: .none)
        }

    /// Those that show in what other packets come to.
    private static let seen: [Feature] = [
        Feature(
            name: "PacketSize",
            evidence: .sight(client: "") { $0.ask("m1000,800").count == 0x1000 }),
        Feature(name: "multiprocess", evidence: .sight(client: "multiprocess+") { $0.ask("qC").hasPrefix("QCp1.") }),
        Feature(name: "swbreak", evidence: .sight(client: "swbreak+", stop(kind: 0, names: "swbreak:;"))),
        Feature(name: "hwbreak", evidence: .sight(client: "hwbreak+", stop(kind: 1, names: "hwbreak:;"))),
        Feature(
            name: "error-message",
            evidence: .sight(client: "error-message+") { $0.ask("mffffffffffffff00,1").hasPrefix("E.") }),
        // The stop reply N: nothing here ends while another goes on.
        Feature(name: "no-resumed", evidence: .sight(client: "no-resumed+") { $0.ask("vCont;c:p1.9").hasPrefix("N") }),
        Feature(
            name: "ConditionalBreakpoints",
            evidence: .sight(client: "") { client in
                client.ask("Z0,1000,1;X3,220027") == "OK" && client.target.armed.programs.count == 1
            }),
        Feature(
            name: "BreakpointCommands",
            evidence: .sight(client: "") { client in
                client.ask("Z0,1000,1;cmds:0,X3,220127") == "OK" && client.target.armed.programs.count == 1
            }),
    ]

    private static func announced() -> [String] {
        Conversation(features: "").ask("qSupported").split(separator: ";").map { field in
            #expect(field.hasSuffix("+") || field.contains("="), "only what is there is named: \(field)")
            return String(field.split(separator: "=")[0].drop { $0 == ";" }).trimmingSuffix("+")
        }
    }

    @Test("a feature is announced exactly where it is answered", arguments: table)
    func bothWays(_ feature: Feature) {
        let isThere: Bool =
            switch feature.evidence {
            case .packet(let packet):
                switch Conversation(features: "").ask(packet) {
                case "", "E01": false
                case let reply: !reply.hasPrefix("E")
                }
            case .sight(let client, let look): look(Conversation(features: client))
            case .none: false
            }
        #expect(Self.announced().contains(feature.name) == isThere)
    }

    @Test("nothing is announced that gdb does not know, and nothing twice")
    func known() {
        let names = Self.announced()
        #expect(Set(names).count == names.count)
        for name in names { #expect(Self.table.contains { $0.name == name }, "\(name)") }
    }

    @Test("the features that QEMU's own query names are answered")
    func emulator() {
        #expect(Conversation().ask("qqemu.Supported") == "sstepbits;sstep;PhyMemMode")
        for name in ["sstepbits", "sstep", "PhyMemMode"] { #expect(Conversation().ask("qqemu.\(name)") != "") }
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
