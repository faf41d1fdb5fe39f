extension FixedWidthInteger {
    /// The bits `range` (0 is the lowest) as a number, and their replacement.
    /// A new value's bits beyond the field are dropped.
    @inlinable package subscript(bits range: ClosedRange<Int>) -> Self {
        // In UInt64, which debug builds are many times faster with.
        get {
            let shifted = UInt64(truncatingIfNeeded: self) >> UInt64(range.lowerBound)
            return Self(truncatingIfNeeded: shifted & UInt64.mask(range.count))
        }
        set {
            let mask = Self.mask(range.count)
            self = (self & ~(mask << range.lowerBound)) | ((newValue & mask) << range.lowerBound)
        }
    }

    /// One bit (0 is the lowest).
    @inlinable package subscript(bit index: Int) -> Bool {
        get { (UInt64(truncatingIfNeeded: self) >> UInt64(index)) & 1 != 0 }
        set { self[bits: index...index] = newValue ? 1 : 0 }
    }

    /// A number with its lowest `count` bits set.
    @inlinable package static func mask(_ count: Int) -> Self {
        count >= Self.bitWidth ? ~0 : (1 << Self(count)) &- 1
    }

    /// This number rounded up to a multiple of `size`, a power of two.
    @inlinable package func roundedUp(to size: Self) -> Self { (self + size - 1) & ~(size - 1) }
}
