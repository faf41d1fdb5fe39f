import Primitives

/// What a Linux kernel keeps in memory for those who read its crash dumps: lines `NAME=value` at the start of a page, or
/// in an ELF note there (kernel/vmcore_info.c, `vmcoreinfo_data` and `vmcoreinfo_note`).
struct X86CrashNote {
    private let lines: [Substring]

    /// KASLR's offset in bytes; nil where the kernel does not say.
    var kernelOffset: UInt64? { value("KERNELOFFSET").flatMap { UInt64($0, radix: 16) } }
    var release: String? { value("OSRELEASE").map(String.init) }
    var buildID: String? {
        value("BUILD-ID").flatMap { $0.isEmpty || !$0.allSatisfy(\.isHexDigit) ? nil : String($0) }
    }

    private func value(_ name: String) -> Substring? {
        lines.first { $0.hasPrefix(name + "=") }.map { $0.dropFirst(name.count + 1) }
    }

    private static let page: UInt64 = 0x1000
    /// Pages looked at from the start of each memory range: 16 GiB, which takes a few tenths of a second.
    private static let mostPages: UInt64 = 1 << 22

    /// All that `memory` holds.
    static func all(in memory: some PhysicalMemory) -> [X86CrashNote] {
        let text = words("OSRELEASE=")[0]
        // Name size 11, type 0, and the name's beginning.
        let (nameSize, name) = (11 as UInt64, words("\0\0\0\0VMCO")[0])
        var result: [X86CrashNote] = []
        for range in memory.ranges {
            let first = (range.lowerBound.rawValue + page - 1) / page
            let last = min(range.upperBound.rawValue / page, first + mostPages)
            for number in first..<max(first, last) {
                let place = PhysicalAddress(number * page)
                guard let word = memory.word(at: place) else { continue }
                if word == text {
                    result.append(X86CrashNote(at: place, in: memory))
                } else if word & .mask(32) == nameSize, memory.word(at: place + 8) == name {
                    // A header of 12 bytes, and the name in 12.
                    result.append(X86CrashNote(at: place + 24, in: memory))
                }
            }
        }
        return result
    }

    /// Reads lines up to a zero byte, or to the page's end.
    private init(at place: PhysicalAddress, in memory: some PhysicalMemory) {
        var bytes = [UInt8](repeating: 0, count: Int(Self.page - place.rawValue % Self.page))
        let isRead = memory.read(place, into: &bytes)
        let text = String(decoding: isRead ? bytes.prefix { $0 != 0 } : [], as: UTF8.self)
        lines = text.split(separator: "\n")
    }

    /// `text` as it lies in memory: 8 bytes a word, the last filled with zeroes.
    static func words(_ text: String) -> [UInt64] {
        let bytes = Array(text.utf8)
        return stride(from: 0, to: bytes.count, by: 8).map { bytes.number(at: $0, count: min(8, bytes.count - $0)) }
    }
}
