// The rows for AVX and AVX-512, with the names that gdb makes its ymm and zmm registers from (GDB manual, section
// G.5.5, `org.gnu.gdb.i386.avx` and `.avx512`).

private let avxFeature = "org.gnu.gdb.i386.avx"
private let wideFeature = "org.gnu.gdb.i386.avx512"

extension X86ExtendedState {
    /// The rows for a mode with this many xmm registers, 8 or 16.
    func rows(registers: Int) -> [RegisterLayout.Row] {
        guard let avx else { return [] }
        var rows = Family("ymm", "h", 128, "uint128", avxFeature).rows(0..<registers, of: avx, apart: 16)
        guard let avx512 else { return rows }
        if registers == 16 {
            // zmm16 to zmm31 in one piece each: the parts that gdb knows by names of their own.
            let high = avx512.highRegisters
            rows += Family("xmm", "", 128, "vec128", wideFeature).rows(16..<32, of: high, apart: 64)
            rows += Family("ymm", "h", 128, "uint128", wideFeature).rows(16..<32, of: high, apart: 64, from: 16)
        }
        rows += Family("k", "", 64, "uint64", wideFeature).rows(0..<8, of: avx512.masks, apart: 8)
        let halves = Family("zmm", "h", 256, "vec2_uint128", wideFeature)
        rows += halves.rows(0..<registers, of: avx512.upperHalves, apart: 32)
        if registers == 16 { rows += halves.rows(16..<32, of: avx512.highRegisters, apart: 64, from: 32) }
        return rows
    }

    /// Registers that differ in their number only.
    private struct Family {
        let prefix: String
        let suffix: String
        let bits: Int
        let type: String
        let feature: String

        init(_ prefix: String, _ suffix: String, _ bits: Int, _ type: String, _ feature: String) {
            self.prefix = prefix
            self.suffix = suffix
            self.bits = bits
            self.type = type
            self.feature = feature
        }

        /// One row a number: `apart` bytes from one to the next in the component, beginning at byte `first`.
        func rows(
            _ numbers: Range<Int>, of component: Component, apart: Int, from first: Int = 0
        ) -> [RegisterLayout.Row] {
            numbers.map { number in
                RegisterLayout.Row(
                    name: "\(prefix)\(number)\(suffix)", bits: bits, block: .floatingPoint,
                    offset: component.area.lowerBound + (number - numbers.lowerBound) * apart + first,
                    form: .extended(component: component.number, area: component.area), type: type, feature: feature,
                    group: "vector")
            }
        }
    }
}
