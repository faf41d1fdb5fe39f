// What CPUID says that a processor can do: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. Names as Linux has them in
// /proc/cpuinfo. Left out: what only the machine itself decides (local APIC, hypervisor, OSXSAVE).

/// One feature of a processor.
package struct X86Feature: Hashable, Sendable {
    package enum Register: Sendable { case eax, ebx, ecx, edx }

    package let name: String
    package let leaf: UInt32
    package let subleaf: UInt32
    package let register: Register
    package let bit: Int
    /// The first level of the x86-64 psABI that has it (section 3.1.1), or would have it if it were newer; 0 where no level
    /// says anything.
    package let level: Int

    package init?(named name: some StringProtocol) {
        guard let found = Self.table.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    private init(
        _ name: String, _ leaf: UInt32, _ subleaf: UInt32, _ register: Register, _ bit: Int, _ level: Int
    ) {
        (self.name, self.leaf, self.subleaf) = (name, leaf, subleaf)
        (self.register, self.bit, self.level) = (register, bit, level)
    }

    package static let table: [X86Feature] =
        rows(
            1, .ecx,
            [
                ("pni", 0, 2), ("pclmulqdq", 1, 2), ("monitor", 3, 0), ("ssse3", 9, 2), ("fma", 12, 3), ("cx16", 13, 2),
                ("pcid", 17, 0), ("sse4_1", 19, 2), ("sse4_2", 20, 2), ("movbe", 22, 3), ("popcnt", 23, 2),
                ("aes", 25, 2), ("xsave", 26, 3), ("avx", 28, 3), ("f16c", 29, 3), ("rdrand", 30, 0),
            ])
        + rows(
            7, .ebx,
            [
                ("fsgsbase", 0, 0), ("bmi1", 3, 3), ("avx2", 5, 3), ("smep", 7, 0), ("bmi2", 8, 3), ("erms", 9, 0),
                ("invpcid", 10, 0), ("avx512f", 16, 4), ("avx512dq", 17, 4), ("rdseed", 18, 0), ("adx", 19, 0),
                ("smap", 20, 0), ("avx512ifma", 21, 5), ("clflushopt", 23, 0), ("clwb", 24, 0), ("avx512cd", 28, 4),
                ("sha_ni", 29, 0), ("avx512bw", 30, 4), ("avx512vl", 31, 4),
            ])
        + rows(
            7, .ecx,
            [
                ("avx512vbmi", 1, 5), ("umip", 2, 0), ("pku", 3, 0), ("avx512_vbmi2", 6, 5), ("gfni", 8, 5),
                ("vaes", 9, 5), ("vpclmulqdq", 10, 5), ("avx512_vnni", 11, 5), ("avx512_bitalg", 12, 5),
                ("avx512_vpopcntdq", 14, 5), ("la57", 16, 0), ("rdpid", 22, 0), ("cldemote", 25, 0),
                ("movdiri", 27, 0), ("movdir64b", 28, 0),
            ])
        + rows(7, .edx, [("fsrm", 4, 0), ("serialize", 14, 0), ("avx512_fp16", 23, 5)])
        + rows(7, .eax, [("avx_vnni", 4, 5), ("avx512_bf16", 5, 5)], subleaf: 1)
        + rows(0xd, .eax, [("xsaveopt", 0, 0), ("xsavec", 1, 0), ("xgetbv1", 2, 0), ("xsaves", 3, 0)], subleaf: 1)
        + rows(0x8000_0001, .ecx, [("lahf_lm", 0, 2), ("abm", 5, 3), ("3dnowprefetch", 8, 0)])
        + rows(0x8000_0001, .edx, [("pdpe1gb", 26, 0), ("rdtscp", 27, 0)])

    private static func rows(
        _ leaf: UInt32, _ register: Register, _ features: [(name: String, bit: Int, level: Int)], subleaf: UInt32 = 0
    ) -> [X86Feature] {
        features.map { X86Feature($0.name, leaf, subleaf, register, $0.bit, $0.level) }
    }
}

/// What a guest is to see of the host's processor: `--cpu`.
package struct X86ProcessorChoice: Equatable, Sendable {
    /// Features that are taken away, and such as are kept whatever else is.
    package private(set) var removed: Set<X86Feature> = []
    package private(set) var kept: Set<X86Feature> = []
    /// Without any word on it, what would make a guest slow is taken away too.
    package private(set) var isDefault = true

    package init() {}

    /// Without `features`.
    package init(removing features: [X86Feature]) {
        removed = Set(features)
        isDefault = false
    }

    /// From the text behind `--cpu`; throws what is wrong with it.
    package init(parsing text: String) throws(Unreadable) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        isDefault = false
        if parts[0] != "host" {
            guard let level = Self.levels.firstIndex(of: String(parts[0])) else {
                throw Unreadable(
                    "expected \((["host"] + Self.levels).joined(separator: ", ")) first, not \"\(parts[0])\"")
            }
            removed = Set(X86Feature.table.filter { $0.level > level + 1 })
        }
        for part in parts.dropFirst() {
            guard let sign = part.first, sign == "+" || sign == "-" else {
                throw Unreadable("expected + or - before a feature, not \"\(part)\"")
            }
            guard let feature = X86Feature(named: part.dropFirst()) else {
                throw Unreadable("no feature \"\(part.dropFirst())\" is known; they are named as in /proc/cpuinfo")
            }
            if sign == "-" {
                removed.insert(feature)
                kept.remove(feature)
            } else {
                removed.remove(feature)
                kept.insert(feature)
            }
        }
    }

    package struct Unreadable: Error, Equatable, Sendable {
        package let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// Names of the psABI's levels.
    package static let levels = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"]

    /// What is slow in kernel mode that is emulated in software: SMAP costs two completed instructions a system call, CX16
    /// one an allocation, AVX and what follows make kernels choose code of nothing else.
    package static let slowWhereEmulated: [X86Feature] = X86Feature.table.filter {
        ["smap", "cx16"].contains($0.name) || $0.leaf == 7 && $0.level > 2
    }

    /// The default on a host that emulates kernel mode.
    package static var withoutSlow: X86ProcessorChoice {
        var choice = X86ProcessorChoice()
        choice.removed = Set(slowWhereEmulated)
        return choice
    }
}
