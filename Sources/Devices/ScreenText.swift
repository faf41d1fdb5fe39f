// A text screen's memory as text: two bytes a character, the character of IBM code page 437 and its colours.
// Left out: colours, fonts that the guest has loaded.

/// What the display shows.
package struct ScreenText: Equatable, Sendable {
    package static let columns = 80
    package static let rows = 25
    /// Bytes of memory that a screen takes.
    package static let size = columns * rows * 2

    /// The rows without blanks at their ends, and without empty ones at the screen's end.
    package let lines: [String]
    /// Counted from the top left, 0 and 0; nil where it is off the screen.
    package let cursor: (row: Int, column: Int)?

    /// From `size` bytes of text memory, from the first character shown on, and the display's registers.
    package init(_ memory: [UInt8], _ display: DisplayController) {
        var lines = (0..<Self.rows).map { row in
            let characters = (0..<Self.columns).map { Self.characters[Int(memory[(row * Self.columns + $0) * 2])] }
            return String(characters[..<(1 + (characters.lastIndex { $0 != " " } ?? -1))])
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        self.lines = lines
        let place = display.cursor - display.start
        cursor =
            (0..<Self.rows * Self.columns).contains(place)
            ? (place / Self.columns, place % Self.columns) : nil
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.lines == b.lines && a.cursor?.row == b.cursor?.row && a.cursor?.column == b.cursor?.column
    }

    /// Code page 437; what shows nothing is a blank.
    private static let characters: [Character] = {
        let symbols = Array(" ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼")
        let ascii = (0x20..<0x7f as Range<UInt8>).map { Character(UnicodeScalar($0)) }
        let rest = "⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
        return symbols + ascii + Array(rest) + Array("αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ")
    }()
}
