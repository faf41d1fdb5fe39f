import Primitives

/// A device access that is to stop the machine: `monitor catch`.
package struct Catch: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case ports(ClosedRange<UInt16>)
        /// Memory-mapped devices, and addresses where nothing is. RAM is never caught: see watchpoints.
        case memory(ClosedRange<PhysicalAddress>)
    }

    /// What `uncatch` names it by.
    package let number: Int
    package let kind: Kind

    /// Reads `io PORT[-PORT]` or `mmio ADDRESS[-ADDRESS]`.
    init(number: Int, _ words: [Substring]) throws(Refusal) {
        guard words.count == 2 else { throw Refusal("expected: catch io PORT[-PORT] or catch mmio ADDRESS[-ADDRESS]") }
        let ends = words[1].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let low = try monitorNumber(ends[0])
        let high = ends.count == 2 ? try monitorNumber(ends[1]) : low
        guard low <= high else { throw Refusal("\(words[1]) ends before it begins") }
        self.number = number
        switch words[0] {
        case "io":
            guard high <= 0xffff else { throw Refusal("\(words[1]): ports end at 0xffff") }
            kind = .ports(UInt16(low)...UInt16(high))
        case "mmio": kind = .memory(PhysicalAddress(low)...PhysicalAddress(high))
        default: throw Refusal("\(words[0]) cannot be caught; io and mmio can")
        }
    }
}

extension Catch: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .ports(let range): "\(number): ports \(hexadecimal(range.lowerBound))-\(hexadecimal(range.upperBound))"
        case .memory(let range): "\(number): device memory \(range.lowerBound)-\(range.upperBound)"
        }
    }
}

/// A number as the monitor takes it: hexadecimal with `0x`, or where it is no decimal one; else decimal.
func monitorNumber(_ text: some StringProtocol) throws(Refusal) -> UInt64 {
    let isHexadecimal = text.hasPrefix("0x") || text.hasPrefix("0X")
    let number = isHexadecimal ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text) ?? UInt64(text, radix: 16)
    guard let number else {
        throw Refusal("\"\(text)\" is no number; hexadecimal ones begin with 0x")
    }
    return number
}

extension Session {
    func addCatch(_ words: [Substring]) throws(Refusal) -> String {
        let new = try Catch(number: (catches.last?.number ?? 0) + 1, words)
        catches.append(new)
        rearrange()
        return "\(new)"
    }

    func removeCatch(_ words: [Substring]) throws(Refusal) -> String {
        guard let word = words.first else { throw Refusal("which one? monitor catch list has the numbers") }
        let number = try monitorNumber(word)
        guard let index = catches.firstIndex(where: { $0.number == Int(clamping: number) }) else {
            throw Refusal("nothing is caught by the number \(number)")
        }
        catches.remove(at: index)
        rearrange()
        return ""
    }

    func listCatches() -> String {
        catches.isEmpty ? "nothing is caught" : catches.map(\.description).joined(separator: "\n")
    }
}
