import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// What must hold whatever happens, kept by a book of its own: 10,000 random sequences of events.
@Suite struct SequenceTests {
    /// Interrupts of one processor: those pending for it and those it handles.
    private struct Book {
        var outstanding: Set<UInt8> = []
        var handling: [UInt8] = []
        var tpr: UInt8 = 0
        /// Level lines that are up, by vector.
        var up: Set<UInt8> = []
    }

    private static let lines: [UInt8: Int] = [0x31: 16, 0x42: 17, 0x53: 18, 0x64: 19]

    @Test(
        "no vector is lost or comes twice, priorities hold, and levels come again until they are lowered",
        arguments: 0..<20 as Range<UInt64>)
    func sequences(batch: UInt64) {
        for seed in 0..<500 as Range<UInt64> {
            var random = Seeded(batch * 500 + seed)
            if let wrong = run(&random) {
                Issue.record("seed \(batch * 500 + seed): \(wrong)")
                return
            }
        }
    }

    private func run(_ random: inout Seeded) -> String? {
        let pc = machine()
        for (vector, line) in Self.lines { pc.program(line, 0x8000 | UInt32(vector)) }
        var book = Book()
        for _ in 0..<30 {
            if let wrong = event(pc, &book, &random) { return wrong }
        }
        // Everything pending comes once nothing stands in its way.
        for line in Self.lines.values { pc.line(line, false) }
        book.up = []
        pc.put(0x080, 0)
        book.tpr = 0
        while !book.outstanding.isEmpty || !book.handling.isEmpty {
            if let wrong = take(pc, &book) { return wrong }
            finish(pc, &book)
        }
        if pc.take() != nil { return "an interrupt that nobody sent" }
        return nil
    }

    private func event(_ pc: Board, _ book: inout Book, _ random: inout Seeded) -> String? {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3:
            var vector = UInt8.random(in: 0x20...0x7f, using: &random)
            if Self.lines[vector] != nil { vector += 1 }
            if random.chance(50) {
                pc.put(0x300, 0x4_4000 | UInt32(vector))
            } else {
                pc.message(0xfee0_0000, UInt32(vector))
            }
            book.outstanding.insert(vector)
        case 3..<5:
            guard let (vector, line) = Self.lines.randomElement(using: &random) else { return nil }
            if book.up.contains(vector) {
                pc.line(line, false)
                book.up.remove(vector)
            } else {
                pc.line(line, true)
                book.up.insert(vector)
                // One that is still being handled comes again only after its EOI.
                if !book.handling.contains(vector) { book.outstanding.insert(vector) }
            }
        case 5:
            book.tpr = UInt8.random(in: 0...0x7f, using: &random)
            pc.put(0x080, UInt32(book.tpr))
        case 6..<9: return take(pc, &book)
        default: finish(pc, &book)
        }
        return nil
    }

    /// The processor takes an interrupt, which must be the most urgent one pending, if that beats what it is doing.
    private func take(_ pc: Board, _ book: inout Book) -> String? {
        let busy = max(book.tpr >> 4, (book.handling.max() ?? 0) >> 4)
        let expected = book.outstanding.max().flatMap { $0 >> 4 > busy ? $0 : nil }
        let vector = pc.take()
        guard vector == expected else {
            return
                "took \(vector.map { "\($0)" } ?? "nothing") with \(book.outstanding.sorted()) outstanding, handling \(book.handling)"
        }
        if let vector {
            book.outstanding.remove(vector)
            book.handling.append(vector)
        }
        return nil
    }

    private func finish(_ pc: Board, _ book: inout Book) {
        guard let vector = book.handling.popLast() else { return }
        pc.eoi()
        if book.up.contains(vector) { book.outstanding.insert(vector) }
    }
}
