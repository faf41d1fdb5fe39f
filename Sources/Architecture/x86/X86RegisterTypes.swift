import Primitives

// How gdb shows the flag registers, and the x86 values that are no plain copy of their storage.

/// One flags type: `id`, bytes, and its bits (Intel SDM volume 3, sections 2.2.1, 2.3 and 2.5).
private func flags(_ id: String, _ size: Int, _ bits: [(String, Int)]) -> String {
    let fields = bits.map { "<field name=\"\($0)\" start=\"\($1)\" end=\"\($1)\" type=\"bool\"/>" }.joined()
    return "<flags id=\"\(id)\" size=\"\(size)\">\(fields)</flags>"
}

extension X86 {
    /// Types for target.xml, one a line, dependencies first.
    static let typeDefinitions: String = [
        flags(
            "x86_eflags", 4,
            [
                ("CF", 0), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("TF", 8), ("IF", 9), ("DF", 10),
                ("OF", 11), ("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18), ("VIF", 19), ("VIP", 20), ("ID", 21),
            ]),
        flags(
            "x86_cr0", 4,
            [
                ("PE", 0), ("MP", 1), ("EM", 2), ("TS", 3), ("ET", 4), ("NE", 5), ("WP", 16), ("AM", 18), ("NW", 29),
                ("CD", 30), ("PG", 31),
            ]),
        flags(
            "x86_cr4", 4,
            [
                ("VME", 0), ("PVI", 1), ("TSD", 2), ("DE", 3), ("PSE", 4), ("PAE", 5), ("MCE", 6), ("PGE", 7),
                ("PCE", 8), ("OSFXSR", 9), ("OSXMMEXCPT", 10), ("UMIP", 11), ("LA57", 12), ("VMXE", 13), ("SMXE", 14),
                ("FSGSBASE", 16), ("PCIDE", 17), ("OSXSAVE", 18), ("SMEP", 20), ("SMAP", 21), ("PKE", 22),
            ]),
        flags("x86_efer", 4, [("SCE", 0), ("LME", 8), ("LMA", 10), ("NXE", 11), ("SVME", 12), ("FFXSR", 14)]),
        "<flags id=\"x86_attributes\" size=\"4\"><field name=\"TYPE\" start=\"0\" end=\"3\" type=\"uint32\"/>"
            + "<field name=\"S\" start=\"4\" end=\"4\" type=\"bool\"/>"
            + "<field name=\"DPL\" start=\"5\" end=\"6\" type=\"uint32\"/>"
            + [("P", 7), ("AVL", 12), ("L", 13), ("DB", 14), ("G", 15), ("UNUSABLE", 16)].map {
                "<field name=\"\($0)\" start=\"\($1)\" end=\"\($1)\" type=\"bool\"/>"
            }.joined() + "</flags>",
        flags(
            "i386_mxcsr", 4,
            [
                ("IE", 0), ("DE", 1), ("ZE", 2), ("OE", 3), ("UE", 4), ("PE", 5), ("DAZ", 6), ("IM", 7), ("DM", 8),
                ("ZM", 9), ("OM", 10), ("UM", 11), ("PM", 12), ("FZ", 15),
            ]),
        "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>",
        "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>",
        "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>",
        "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>",
        "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>",
        "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>",
        "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
            + "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
            + "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
            + "<field name=\"uint128\" type=\"uint128\"/></union>",
        "<vector id=\"vec2_uint128\" type=\"uint128\" count=\"2\"/>",
    ].joined(separator: "\n")

    /// The bytes of `struct kvm_segment` from its `type` on, with their places in the gathered number.
    private static let attributeBits: [(byte: Int, bits: ClosedRange<Int>)] = [
        (0, 0...3), (1, 7...7), (2, 5...6), (3, 14...14), (4, 4...4), (5, 13...13), (6, 15...15), (7, 12...12),
        (8, 16...16),
    ]

    static func gatherAttributes(_ storage: [UInt8], at offset: Int) -> UInt64 {
        var value: UInt64 = 0
        for (byte, bits) in attributeBits { value[bits: bits] = UInt64(storage[offset + byte]) }
        return value
    }

    static func scatterAttributes(_ value: UInt64, into storage: inout [UInt8], at offset: Int) {
        for (byte, bits) in attributeBits { storage[offset + byte] = UInt8(value[bits: bits]) }
    }

    /// The x87 tag word: two bits a physical register, 3 for empty, else by the content's class: 1 zero, 2 special,
    /// 0 valid.
    static func expandTags(_ abridged: UInt8, _ storage: [UInt8]) -> UInt64 {
        let status: UInt16 = storage.number(at: ExtendedState.statusWord, count: 2)
        let top = Int(status[bits: 11...13])
        var tags: UInt64 = 0
        for physical in 0..<8 {
            let bits = physical * 2...physical * 2 + 1
            guard abridged[bit: physical] else {
                tags[bits: bits] = 3
                continue
            }
            let content = ExtendedState.x87 + ((physical - top) & 7) * 16
            let significand: UInt64 = storage.number(at: content, count: 8)
            let exponent: UInt16 = storage.number(at: content + 8, count: 2) & 0x7fff
            if exponent == 0 && significand == 0 {
                tags[bits: bits] = 1
            } else if exponent == 0 || exponent == 0x7fff || !significand[bit: 63] {
                tags[bits: bits] = 2
            }
        }
        return tags
    }

    /// Marks x87 and SSE state as in use, so that XRSTOR takes what a client wrote instead of the initial values.
    static func useFloatingPoint(_ storage: inout [UInt8]) { storage[ExtendedState.header] |= 3 }

    static func abridgeTags(_ tags: UInt64) -> UInt8 {
        (0..<8).reduce(0) { $0 | (tags[bits: $1 * 2...$1 * 2 + 1] == 3 ? 0 : 1 << UInt8($1)) }
    }
}
