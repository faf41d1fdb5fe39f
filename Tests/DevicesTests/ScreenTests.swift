import TestSupport
import Testing

@testable import Devices

@Suite struct ScreenTests {
    /// Blanks, with `text` from each place on.
    private func memory(_ texts: [(row: Int, column: Int, text: [UInt8])]) -> [UInt8] {
        var bytes = (0..<ScreenText.size).map { $0 % 2 == 0 ? 0x20 : 0x07 as UInt8 }
        for (row, column, text) in texts {
            for (index, character) in text.enumerated() {
                bytes[(row * ScreenText.columns + column + index) * 2] = character
            }
        }
        return bytes
    }

    private func display(start: Int = 0, cursor: Int = 0) -> DisplayController {
        var display = DisplayController()
        for (index, value) in [(0xc, start >> 8), (0xd, start), (0xe, cursor >> 8), (0xf, cursor)] {
            _ = display.write(UInt8(index), to: 0, now: epoch)
            _ = display.write(UInt8(truncatingIfNeeded: value), to: 1, now: epoch)
        }
        return display
    }

    @Test("Lines lose the blanks at their ends, and the screen its empty lines")
    func lines() {
        let text = ScreenText(
            memory([(0, 0, Array("hello  ".utf8)), (2, 76, Array("last".utf8)), (3, 0, [0])]), display())
        #expect(text.lines == ["hello", "", String(repeating: " ", count: 76) + "last"])
        #expect(ScreenText(memory([]), display()).lines.isEmpty)
    }

    @Test("Characters are those of code page 437")
    func characters() {
        let text = ScreenText(
            memory([(0, 0, [0xc9, 0xcd, 0xbb, 0x81, 0x9b, 0xe1, 0xfb, 0x01, 0x7f, 0xdb])]), display())
        #expect(text.lines == ["╔═╗ü¢ß√☺⌂█"])
    }

    @Test("The cursor is counted from the first character shown")
    func cursor() {
        let here = ScreenText(memory([]), display(start: 160, cursor: 160 + 81)).cursor
        #expect(here?.row == 1 && here?.column == 1)
        #expect(ScreenText(memory([]), display(cursor: 2000)).cursor == nil)
        #expect(ScreenText(memory([]), display(start: 80, cursor: 79)).cursor == nil)
    }

    private func screen(_ lines: [String], cursor: Int) -> ScreenText {
        ScreenText(memory(lines.enumerated().map { ($0, 0, Array($1.utf8)) }), display(cursor: cursor * 80))
    }

    @Test("A transcript has each line once, when the cursor has left it")
    func transcript() {
        var transcript = ScreenTranscript()
        #expect(transcript.advance(to: screen(["one", "tw"], cursor: 1)) == ["one"])
        #expect(transcript.advance(to: screen(["one", "two", "three"], cursor: 2)) == ["two"])
        #expect(transcript.advance(to: screen(["one", "two", "three"], cursor: 2)).isEmpty)
        // Scrolled by one.
        #expect(transcript.advance(to: screen(["two", "three", "four", ""], cursor: 3)) == ["three", "four"])
        #expect(transcript.advance(to: screen(["two", "three", "four", "end"], cursor: 3), isLast: true) == ["end"])
    }

    @Test("Where nothing is left of a screen, all of the next one is new")
    func cleared() {
        var transcript = ScreenTranscript()
        _ = transcript.advance(to: screen(["a", "b"], cursor: 2))
        #expect(transcript.advance(to: screen(["menu", "b"], cursor: 2)) == ["menu", "b"])
        #expect(transcript.advance(to: screen([], cursor: 0)).isEmpty)
        #expect(transcript.advance(to: screen(["menu"], cursor: 1)) == ["menu"])
    }
}
