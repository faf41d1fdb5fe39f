import Architecture
import Primitives

// `monitor info registers` and `monitor msr`.
extension Session {
    private static let kinds = ["general", "system", "float", "vector"]

    private static func kind(of register: Register) -> String {
        if register.feature.hasSuffix(".core") {
            return register.block == .floatingPoint ? "float" : "general"
        }
        return register.block == .floatingPoint || register.block == .vector ? "vector" : "system"
    }

    /// Numbers in columns; below them, one a line, what is wider.
    func allRegisters(_ words: [Substring]) throws(Refusal) -> String {
        var words = words
        var wanted = layout.registers
        if let last = words.last, last.first?.isLetter == true {
            guard let kind = Self.kinds.first(where: { $0.hasPrefix(last) }) else {
                throw Refusal("\(last) is no kind of register: \(Self.kinds.joined(separator: ", "))")
            }
            wanted = wanted.filter { Self.kind(of: $0) == kind }
            words.removeLast()
        }
        let blocks = wanted.reduce(into: RegisterBlocks()) { $0.formUnion($1.block) }
        let file = target.registers(of: try processor(words), having: blocks)
        let (width, columns) = (30, 4)
        var lines: [String] = []
        var cells: [String] = []
        func text(_ register: Register, name width: Int) -> String {
            guard file.reasonMissing(register) == nil else { return Self.pad(register.name, width) + "unavailable" }
            var digits: [UInt8] = []
            digits.appendHex(file.bytes(of: register).reversed())
            return Self.pad(register.name, width) + String(decoding: digits, as: UTF8.self)
        }
        for register in wanted where register.bits <= 64 { cells.append(text(register, name: 13)) }
        for first in stride(from: 0, to: cells.count, by: columns) {
            let row = cells[first..<min(first + columns, cells.count)]
            lines.append((row.dropLast().map { Self.pad($0, width) } + row.suffix(1)).joined())
        }
        lines += wanted.filter { $0.bits > 64 }.map { text($0, name: 13) }
        return lines.joined(separator: "\n")
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    // MARK: - Model-specific registers

    private func requireModelSpecific() throws(Refusal) {
        guard layout.architecture == .x86_64 else {
            throw Refusal("an arm64 processor has no MSRs; info registers system shows its system registers")
        }
    }

    func readModelSpecific(_ words: [Substring]) throws(Refusal) -> String {
        try requireModelSpecific()
        guard words.count == 1 else { throw Refusal("expected: msr read N, a number or a name") }
        let index = try Self.modelSpecific(words[0])
        return Self.line(index, try target.modelSpecific(index, of: selected))
    }

    func writeModelSpecific(_ words: [Substring]) throws(Refusal) -> String {
        try requireModelSpecific()
        guard words.count == 2 else { throw Refusal("expected: msr write N VALUE") }
        let index = try Self.modelSpecific(words[0])
        try target.setModelSpecific(index, to: try monitorNumber(words[1]), of: selected)
        return Self.line(index, try target.modelSpecific(index, of: selected))
    }

    private static func modelSpecific(_ word: Substring) throws(Refusal) -> UInt32 {
        if let index = X86ModelSpecific.index(named: word) { return index }
        guard let number = try? monitorNumber(word) else {
            let names = X86ModelSpecific.names.map(\.name).joined(separator: " ")
            throw Refusal("\"\(word)\" is no MSR's number and none of these names: \(names)")
        }
        guard let index = UInt32(exactly: number) else { throw Refusal("\(word) does not fit 32 bits") }
        return index
    }

    private static func line(_ index: UInt32, _ value: UInt64) -> String {
        let name = X86ModelSpecific.name(of: index).map { " \($0)" } ?? ""
        return "MSR \(hexadecimal(index))\(name): \(hexadecimal(value, digits: 16))"
    }
}
