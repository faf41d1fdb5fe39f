import Architecture
import Primitives
import RemoteProtocol

// The address space as ranges of one kind: what LLDB asks with qMemoryRegionInfo, `monitor info mem` and `info tlb`.
extension Session {
    /// Addresses that are mapped with the same rights, or not at all.
    struct Region: Equatable {
        let start: UInt64
        /// The last address in it.
        var last: UInt64
        /// Nil where nothing is mapped.
        let rights: Rights?
    }

    struct Rights: Equatable {
        let isWritable: Bool
        let isUser: Bool
        let isExecutable: Bool

        init(_ page: Translation) {
            isWritable = page.isWritable
            isUser = page.isUser
            isExecutable = page.isExecutable
        }

        var text: String { "\(isUser ? "u" : "-")r\(isWritable ? "w" : "-")\(isExecutable ? "x" : "-")" }
    }

    /// A page, or a hole of the size of one.
    private struct Piece {
        let start: UInt64
        let last: UInt64
        /// Where `start` leads; nil for a hole.
        let page: Translation?
    }

    /// How many pages and holes are followed for one answer, so that no guest's tables keep a client waiting: those of
    /// LLDB's question, which is asked at every stop, and of a command.
    private static let (shortWalk, longWalk) = (1 << 16, 1 << 20)
    private static let mostLines = 1000

    private var paging: Paging { layout.architecture.paging(target.registers(of: selected, having: RegisterBlocks())) }

    private func piece(at address: UInt64, _ paging: Paging) -> Piece {
        guard paging.isOn else { return physicalPiece(at: address, end: paging.lastAddress) }
        if let hole = paging.hole, hole.contains(address) {
            return Piece(start: hole.lowerBound, last: hole.upperBound, page: nil)
        }
        let (size, page): (UInt64, Translation?)
        do throws(TranslationFault) {
            let found = try target.translate(VirtualAddress(address), on: selected)
            (size, page) = (found.pageSize, found)
        } catch {
            (size, page) = (error.span, nil)
        }
        let start = address & ~(size &- 1)
        var aligned = page
        aligned?.physical.rawValue &-= address &- start
        return Piece(start: start, last: start &+ (size &- 1), page: aligned)
    }

    /// While paging is off: a range of memory, or a gap between two. To say of all addresses that they may be used would
    /// leave LLDB, which looks for unused ones before it evaluates an expression, without any.
    private func physicalPiece(at address: UInt64, end: UInt64) -> Piece {
        guard address <= end else { return Piece(start: end + 1, last: .max, page: nil) }
        var start: UInt64 = 0
        for range in target.memory.ranges {
            let (first, last) = (range.lowerBound.rawValue, range.upperBound.rawValue - 1)
            if address < first { return Piece(start: start, last: min(first - 1, end), page: nil) }
            if address <= last {
                let page = try? target.translate(VirtualAddress(first), on: selected)
                return Piece(start: first, last: min(last, end), page: page)
            }
            start = last + 1
        }
        return Piece(start: start, last: end, page: nil)
    }

    /// Hands over pages and holes from `address` up, at most `limit`, until `body` wants no more. Whether it came to the
    /// end of all addresses.
    private func eachPiece(from address: UInt64, limit: Int, _ body: (Piece) -> Bool) -> Bool {
        let paging = paging
        let end = paging.lastAddress
        var next = address
        for _ in 0..<limit {
            let piece = piece(at: next, paging)
            guard body(piece) else { return false }
            if piece.last >= end { return true }
            next = piece.last + 1
        }
        return false
    }

    /// The region from the page that `address` is on, upwards.
    func region(from address: VirtualAddress) -> Region {
        var region: Region?
        _ = eachPiece(from: address.rawValue, limit: Self.shortWalk + 1) { piece in
            let rights = piece.page.map { Rights($0) }
            if region == nil { region = Region(start: piece.start, last: piece.last, rights: rights) }
            guard region?.rights == rights else { return false }
            region?.last = piece.last
            return true
        }
        return region!
    }

    func answerMemoryRegion(_ address: VirtualAddress) {
        let region = region(from: address)
        reply.text("start:")
        reply.number(region.start)
        reply.text(";size:")
        // All 2^64 bytes cannot be said.
        reply.number(region.last &- region.start &+ 1 == 0 ? .max : region.last - region.start + 1)
        reply.text(";")
        guard let rights = region.rights else { return }
        reply.text("permissions:r\(rights.isWritable ? "w" : "")\(rights.isExecutable ? "x" : "");")
    }

    /// `info mem`: a line for each range that is mapped with the same rights, as QEMU prints them, since clients that
    /// take this server for QEMU read it: start, end (the first address behind it) and size in 16 digits, then user, read
    /// and write. Whether code may run there is left out, as in QEMU; `info tlb` has it.
    func describeRegions() -> String {
        describeMappings(mostLines: 16 * Self.mostLines) { page, next in
            page?.isUser == next?.isUser && page?.isWritable == next?.isWritable
        } line: { start, last, page, _ in
            "\(Self.digits(start))-\(Self.end(last)) \(Self.digits(last &- start &+ 1)) \(Rights(page).text.prefix(3))"
        }
    }

    private static func digits(_ value: UInt64) -> Substring { hexadecimal(value, digits: 16).dropFirst(2) }

    /// The address behind `last`: of the last one of all, 2^64, so that the difference to the start is the size.
    private static func end(_ last: UInt64) -> String { last == .max ? "1" + digits(0) : String(digits(last + 1)) }

    /// Every page, a line for those that follow each other in both spaces and are alike: `info tlb`.
    func describePages() -> String {
        let lines = describeMappings { page, next in
            guard var page, let next, next.physical.rawValue == page.physical.rawValue &+ page.pageSize else {
                return false
            }
            page.physical = next.physical
            return page == next
        } line: { start, last, page, count in
            let size = page.pageSize < 1 << 20 ? "\(page.pageSize >> 10) KiB" : "\(page.pageSize >> 20) MiB"
            let flags = "\(page.isGlobal ? "g" : "-")\(page.isAccessed ? "a" : "-")\(page.isDirty ? "d" : "-")"
            let physical = hexadecimal(page.physical.rawValue, digits: 12)
            return "\(Self.range(start, last)) -> \(physical) \(Rights(page).text) \(flags) \(count) x \(size)"
        }
        return lines.isEmpty ? "nothing is mapped" : lines
    }

    private static func range(_ start: UInt64, _ last: UInt64) -> String {
        "\(hexadecimal(start, digits: 16))-\(hexadecimal(last, digits: 16))"
    }

    /// Lines for runs of pages: each run begins with a page, and extends while `continues` says so of two neighbours.
    /// `line` gets a run's first and last address, first page and number of pages.
    private func describeMappings(
        mostLines: Int = mostLines, _ continues: (Translation?, Translation?) -> Bool,
        line: (UInt64, UInt64, Translation, Int) -> String
    ) -> String {
        guard paging.isOn else { return "PG disabled" }
        var lines: [String] = []
        var run: (start: UInt64, last: UInt64, first: Translation, newest: Translation, count: Int)?
        func close() {
            if let run { lines.append(line(run.start, run.last, run.first, run.count)) }
            run = nil
        }
        let isWhole = eachPiece(from: 0, limit: Self.longWalk) { piece in
            if let page = piece.page, let old = run, continues(old.newest, page) {
                run = (old.start, piece.last, old.first, page, old.count + 1)
                return true
            }
            close()
            guard let page = piece.page else { return true }
            run = (piece.start, piece.last, page, page, 1)
            return lines.count < mostLines
        }
        let isCut = !isWhole
        if lines.count < mostLines { close() }
        return (lines + (isCut ? ["and perhaps more"] : [])).joined(separator: "\n")
    }
}
