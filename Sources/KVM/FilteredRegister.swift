/// A model-specific register whose writes exit, and its reads if `reads`.
package struct FilteredRegister: Hashable, Sendable {
    package let index: UInt32
    package let reads: Bool

    package init(index: UInt32, reads: Bool) {
        self.index = index
        self.reads = reads
    }

    /// What one filter can hold.
    package static let maximumCount = 16
}
