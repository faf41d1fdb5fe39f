import Foundation
import Testing

/// The README's table "What a client can ask": a test for every row.
@Suite struct FeatureTableTests {
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func rows() throws -> [[String]] {
        let text = try String(contentsOf: repository.appendingPathComponent("README.md"), encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## What a client can ask").last)
        let lines = section.components(separatedBy: "\n## ")[0].split(separator: "\n")
        return lines.filter { $0.hasPrefix("| ") }.dropFirst().map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    @Test("each row has four columns, and names tests that there are")
    func everyRow() throws {
        let rows = try Self.rows()
        #expect(rows.count > 40)
        for row in rows {
            guard row.count == 4 else {
                Issue.record("\(row)")
                continue
            }
            let names = row[3].split(separator: " ").map { $0.trimmingCharacters(in: ["`"]) }
            #expect(!names.isEmpty, "\(row[0])")
            for name in names {
                let parts = name.split(separator: ".")
                guard parts.count == 2 else {
                    Issue.record("\(name) is no test: \(row[0])")
                    continue
                }
                let file = Self.repository.appendingPathComponent("Tests/\(parts[0]).swift")
                let source = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
                // The function that follows the attribute, whatever arguments that has.
                let functions = source.components(separatedBy: "@Test").dropFirst().compactMap {
                    $0.components(separatedBy: "func ").dropFirst().first
                }
                let isTest = functions.contains { $0.hasPrefix("\(parts[1])(") }
                #expect(isTest, "\(name): \(row[0])")
            }
        }
    }
}
