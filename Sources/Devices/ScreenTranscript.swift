// A text screen that is looked at now and then, as lines for a log: each line once, when the cursor has left it.

/// What has been said of a screen so far.
package struct ScreenTranscript: Equatable, Sendable {
    /// The lines that were on the screen and were said.
    private var said: [String] = []

    package init() {}

    /// The lines that have come since: those above the cursor's, at the end all. Lines that have scrolled away between two
    /// looks are lost; where nothing is left of what was there, all lines are new.
    package mutating func advance(to screen: ScreenText, isLast: Bool = false) -> [String] {
        var lines = screen.lines
        if !isLast, let row = screen.cursor?.row { lines = Array(lines.prefix(row)) }
        // The least by which the screen has scrolled.
        let scrolled = (0...said.count).first { lines.starts(with: said.dropFirst($0)) } ?? said.count
        let new = lines.dropFirst(said.count - scrolled)
        said = lines
        return Array(new)
    }
}
