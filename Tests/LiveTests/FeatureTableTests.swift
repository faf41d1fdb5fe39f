import Foundation
import Testing

/// Tables of promises in the documentation: a test for every row.
@Suite struct FeatureTableTests {
    /// A table, and which of its columns names tests.
    struct Table: CustomTestStringConvertible, Sendable {
        let document: String
        let heading: String
        let columns: Int
        let tests: Int
        let leastRows: Int

        var testDescription: String { "\(document), \(heading)" }

        static let all = [
            Table(document: "gdb/README.md", heading: "What a client can ask", columns: 4, tests: 3, leastRows: 40),
            Table(
                document: "Tests/README.md", heading: "Nothing ends it, nothing freezes it", columns: 3, tests: 1,
                leastRows: 20),
        ]

        func rows() throws -> [[String]] {
            let file = repository.appendingPathComponent(document)
            let text = try String(contentsOf: file, encoding: .utf8)
            let section = try #require(text.components(separatedBy: "## \(heading)").last)
            let lines = section.components(separatedBy: "\n## ")[0].split(separator: "\n")
            return lines.filter { $0.hasPrefix("| ") }.dropFirst().map { line in
                line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            }
        }
    }

    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test("each row names tests that there are", arguments: Table.all)
    func everyRow(table: Table) throws {
        let rows = try table.rows()
        #expect(rows.count >= table.leastRows)
        for row in rows {
            guard row.count == table.columns else {
                Issue.record("\(row)")
                continue
            }
            let names = row[table.tests].split(separator: " ").map { $0.trimmingCharacters(in: ["`"]) }
            #expect(!names.isEmpty, "\(row[0])")
            for name in names { #expect(Self.isTest(name), "\(name): \(row[0])") }
        }
    }

    /// Whether `FOLDER/FILE.function` is a test.
    private static func isTest(_ name: String) -> Bool {
        let parts = name.split(separator: ".")
        guard parts.count == 2 else { return false }
        let file = repository.appendingPathComponent("Tests/\(parts[0]).swift")
        let source = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        // The function that follows the attribute, whatever arguments that has.
        let functions = source.components(separatedBy: "@Test").dropFirst().compactMap {
            $0.components(separatedBy: "func ").dropFirst().first
        }
        return functions.contains { $0.hasPrefix("\(parts[1])(") }
    }
}
