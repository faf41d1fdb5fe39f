import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// The model against QEMU's GICv2, over QEMU's test protocol: random accesses to all four blocks, every read and the
/// processor's four inputs compared after each.
@Suite(.serialized) struct QEMUGICTests {
    static let accesses = 500

    private static let isThere = QTest.path != nil
    private static let absence: Comment = "qemu-system-aarch64 is not installed (Debian: qemu-system-arm)"

    /// Runs programs on the model and on a QEMU of its own until they differ; how often each difference was explained.
    private func run(
        _ configuration: GICv2.Configuration, programs: Int
    ) throws -> (wrong: String?, seen: [Difference: Int]) {
        let qemu = try QTest(QTest.path!)
        defer { qemu.end() }
        _ = try qemu.run(["irq_intercept_in /machine/unattached/device[0]"])
        var seen: [Difference: Int] = [:]
        var inputs = ProcessorInputs()
        var board = DifferentialBoard(configuration)
        for seed in 0..<UInt64(programs) {
            var conversation = Conversation(continuing: board)
            var program = GICPrograms(seed)
            if seed > 0 { conversation.reset() }
            for _ in 0..<Self.accesses { conversation.perform(program.next(conversation.board)) }
            board = conversation.board
            seen.merge(conversation.seen, uniquingKeysWith: +)
            let answers = try qemu.run(conversation.lines.map(\.command))
            if let wrong = conversation.compare(answers, &inputs) { return ("program \(seed): \(wrong)", seen) }
        }
        return (nil, seen)
    }

    @Test(
        "200 programs of 500 accesses agree with QEMU, but for the differences that the table explains",
        .enabled(if: isThere, absence))
    func differential() throws {
        let programs = 200
        let (wrong, seen) = try run(.qemu, programs: programs)
        if let wrong { Issue.record("\(wrong)") }
        for difference in Difference.allCases {
            #expect(seen[difference, default: 0] > 0, "no program came across \(difference): \(difference.row)")
        }
        let explained = seen.values.reduce(0, +)
        #expect(explained * 5 < programs * Self.accesses, "\(explained) accesses explained away: \(seen)")
    }

    @Test("everything in which the model's QEMU is no GIC-400 is a row of the table")
    func table() {
        let difference = GICv2.Traits.qemu.symmetricDifference(.gic400)
        var rows: GICv2.Traits = []
        for choice in ImplementationChoice.all {
            #expect(rows.isDisjoint(with: choice.trait), "two rows for \(choice)")
            rows.formUnion(choice.trait)
        }
        #expect(rows == difference)
    }

    @Test(
        "with any one choice as a GIC-400 makes it, the programs find that QEMU differs",
        .enabled(if: isThere, absence), arguments: ImplementationChoice.all.filter(\.isVisible))
    func choice(_ choice: ImplementationChoice) throws {
        #expect(try run(choice.asGIC400, programs: 60).wrong != nil)
    }
}
