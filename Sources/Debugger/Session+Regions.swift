import Architecture
import Primitives
import RemoteProtocol

// The address space as ranges of one kind: what LLDB asks with qMemoryRegionInfo, and `monitor info mem`.
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
    }

    /// How many pages or holes one answer follows, so that no guest's tables keep a client waiting.
    private static let longestWalk = 1 << 16

    /// The region from the page that `address` is on, upwards, as far as `walk` pages or holes lead.
    func region(from address: VirtualAddress, _ walk: inout Int) -> Region {
        var region = piece(at: address.rawValue)
        while region.last != .max, walk > 0 {
            walk -= 1
            let next = piece(at: region.last + 1)
            guard next.rights == region.rights else { break }
            region.last = next.last
        }
        return region
    }

    /// The page or the hole around one address.
    private func piece(at address: UInt64) -> Region {
        let (size, rights): (UInt64, Rights?)
        do throws(TranslationFault) {
            let found = try target.translate(VirtualAddress(address), on: selected)
            // Without paging all 2^64 bytes are one piece.
            size = found.isPaged ? found.pageSize : 0
            rights = Rights(
                isWritable: found.isWritable, isUser: found.isUser, isExecutable: found.isExecutable)
        } catch {
            (size, rights) = (error.span, nil)
        }
        let start = address & ~(size &- 1)
        return Region(start: start, last: start &+ (size &- 1), rights: rights)
    }

    func answerMemoryRegion(_ address: VirtualAddress) {
        var walk = Self.longestWalk
        let region = region(from: address, &walk)
        reply.text("start:")
        reply.number(region.start)
        reply.text(";size:")
        // All 2^64 bytes cannot be said.
        reply.number(region.last &- region.start &+ 1 == 0 ? .max : region.last - region.start + 1)
        reply.text(";")
        guard let rights = region.rights else { return }
        reply.text("permissions:r\(rights.isWritable ? "w" : "")\(rights.isExecutable ? "x" : "");")
    }

    /// Every mapped region, a line each: `info mem`.
    func describeRegions() -> String {
        var lines: [String] = []
        var next: UInt64 = 0
        var walk = 4 * Self.longestWalk
        while lines.count < 1000, walk > 0 {
            let region = region(from: VirtualAddress(next), &walk)
            if let rights = region.rights {
                let text =
                    (rights.isUser ? "u" : "-") + "r" + (rights.isWritable ? "w" : "-")
                    + (rights.isExecutable ? "x" : "-")
                let size = region.last &- region.start &+ 1
                lines.append(
                    "\(hexadecimal(region.start, digits: 16))-\(hexadecimal(region.last, digits: 16)) "
                        + "\(hexadecimal(size, digits: 16)) \(text)")
            }
            if region.last == .max { return lines.isEmpty ? "nothing is mapped" : lines.joined(separator: "\n") }
            next = region.last + 1
        }
        return (lines + ["and more"]).joined(separator: "\n")
    }
}
