import Foundation
import Testing

@testable import Machine

/// The table "Hosts" in Tests/Lab/README.md: made of what `doctor --json` said on each, which Tests/Lab/hosts keeps and the labs compare.
@Suite struct HostTableTests {
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The table's columns: the file of each host, and its heading.
    private static let hosts = [
        ("software", "software KVM"), ("vmx", "VT-x"), ("svm", "AMD-V"), ("arm64", "Arm, GICv2"),
        ("arm64-gicv3", "Arm, GICv3"),
    ]

    /// What it said by key, less the advice. Each finding is a line.
    private static func findings(_ host: String) throws -> [String: String] {
        let file = repository.appendingPathComponent("Tests/Lab/hosts/\(host).json")
        let text = try String(contentsOf: file, encoding: .utf8)
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("  \"") && !line.hasSuffix("{") {
            let parts = line.components(separatedBy: "\": ")
            try #require(parts.count == 2)
            let answer = parts[1].trimmingCharacters(in: ["\"", ","])
            found[parts[0].trimmingCharacters(in: [" ", "\""])] = ["true": "yes", "false": "no"][answer] ?? answer
        }
        return found
    }

    private static func table() throws -> [String] {
        let columns = try hosts.map { try findings($0.0) }
        var lines = ["| | " + hosts.map(\.1).joined(separator: " | ") + " |"]
        lines.append("|---" + String(repeating: "|---", count: hosts.count) + "|")
        let capabilities = HostDebugCapabilities()
        for (key, question, _, _) in capabilities.x86Findings + capabilities.armFindings {
            let answers = columns.map { $0[key] ?? "" }
            let row = "| \(question) | " + answers.joined(separator: " | ") + " |"
            if !lines.contains(row) { lines.append(row) }
        }
        return lines
    }

    @Test("every host's findings are in the table as they were found")
    func upToDate() throws {
        let file = Self.repository.appendingPathComponent("Tests/Lab/README.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let chapter = try #require(text.components(separatedBy: "\n## Hosts\n").last)
        let section = chapter.components(separatedBy: "\n##")[0]
        let written = section.split(separator: "\n").filter { $0.hasPrefix("|") }.map(String.init)
        let wanted = try Self.table()
        if ProcessInfo.processInfo.environment["STUBVISOR_RENEW_HOSTS"] != nil {
            let old = written.joined(separator: "\n")
            try text.replacingOccurrences(of: old, with: wanted.joined(separator: "\n"))
                .write(to: file, atomically: true, encoding: .utf8)
            return
        }
        #expect(written == wanted, "STUBVISOR_RENEW_HOSTS=1 swift test --filter HostTableTests writes it anew")
    }

    @Test("no host says anything that the table leaves out")
    func complete() throws {
        let capabilities = HostDebugCapabilities()
        let known = Set((capabilities.x86Findings + capabilities.armFindings).map(\.key))
        for (host, _) in Self.hosts {
            let found = try Self.findings(host)
            #expect(found.count > 5)
            #expect(Set(found.keys).subtracting(known) == [], "\(host)")
        }
    }
}
