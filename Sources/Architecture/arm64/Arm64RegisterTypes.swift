// How gdb shows PSTATE, the floating-point status and the vector registers.

/// One flags type of 4 bytes: `id` and its fields by name and bits (Arm ARM, chapter C5: SPSR_EL1, FPSR, FPCR).
private func flags(_ id: String, _ fields: [(String, ClosedRange<Int>)]) -> String {
    let text = fields.map { name, bits in
        "<field name=\"\(name)\" start=\"\(bits.lowerBound)\" end=\"\(bits.upperBound)\" "
            + "type=\"\(bits.count == 1 ? "bool" : "uint32")\"/>"
    }
    return "<flags id=\"\(id)\" size=\"4\">\(text.joined())</flags>"
}

/// The vectors and the union that show 128 bits as numbers of one width. gdb's scripts know the field names f, u, s.
private func lanes(_ name: String, bits: Int, float: String?) -> [String] {
    let kinds = [("f", float), ("u", "uint\(bits)"), ("s", "int\(bits)")]
    var (lines, fields): ([String], String) = ([], "")
    for case (let kind, let type?) in kinds {
        lines.append("<vector id=\"arm64_\(name)_\(kind)\" type=\"\(type)\" count=\"\(128 / bits)\"/>")
        fields += "<field name=\"\(kind)\" type=\"arm64_\(name)_\(kind)\"/>"
    }
    return lines + ["<union id=\"arm64_\(name)\">\(fields)</union>"]
}

extension Arm64 {
    /// Types for target.xml, one a line, dependencies first.
    static let typeDefinitions: String = {
        var lines = [
            flags(
                "arm64_state",
                [
                    ("SPSel", 0...0), ("EL", 2...3), ("nRW", 4...4), ("F", 6...6), ("I", 7...7), ("A", 8...8),
                    ("D", 9...9), ("BTYPE", 10...11), ("SSBS", 12...12), ("ALLINT", 13...13), ("IL", 20...20),
                    ("SS", 21...21), ("PAN", 22...22), ("UAO", 23...23), ("DIT", 24...24), ("TCO", 25...25),
                    ("V", 28...28), ("C", 29...29), ("Z", 30...30), ("N", 31...31),
                ]),
            flags(
                "arm64_fpsr",
                [
                    ("IOC", 0...0), ("DZC", 1...1), ("OFC", 2...2), ("UFC", 3...3), ("IXC", 4...4), ("IDC", 7...7),
                    ("QC", 27...27), ("V", 28...28), ("C", 29...29), ("Z", 30...30), ("N", 31...31),
                ]),
            flags(
                "arm64_fpcr",
                [
                    ("FIZ", 0...0), ("AH", 1...1), ("NEP", 2...2), ("IOE", 8...8), ("DZE", 9...9), ("OFE", 10...10),
                    ("UFE", 11...11), ("IXE", 12...12), ("EBF", 13...13), ("IDE", 15...15), ("Len", 16...18),
                    ("FZ16", 19...19), ("Stride", 20...21), ("RMode", 22...23), ("FZ", 24...24), ("DN", 25...25),
                    ("AHP", 26...26),
                ]),
        ]
        lines += lanes("d", bits: 64, float: "ieee_double")
        lines += lanes("s", bits: 32, float: "ieee_single")
        lines += lanes("h", bits: 16, float: "ieee_half")
        lines += lanes("b", bits: 8, float: nil)
        lines += lanes("q", bits: 128, float: nil)
        // By this name LLDB knows a vector, which it writes byte by byte; it writes no number of 128 bits.
        let fields = ["d", "s", "h", "b", "q"].map { "<field name=\"\($0)\" type=\"arm64_\($0)\"/>" }
        lines.append("<union id=\"aarch64v\">\(fields.joined())</union>")
        return lines.joined(separator: "\n")
    }()
}
