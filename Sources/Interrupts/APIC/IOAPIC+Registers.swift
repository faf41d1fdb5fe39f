// The registers of the I/O APIC: 82093AA datasheet, sections 3.1 and 3.2; the EOI register is at offset 0x40.

import Primitives

extension IOAPIC {
    private enum Offset {
        static let select = 0x00
        static let window = 0x10
        static let endOfInterrupt = 0x40
    }

    private enum Register {
        static let id = 0
        static let version = 1
        static let arbitration = 2
        static let table = 0x10
    }

    /// What a write to a register makes necessary.
    enum WriteEffect: Equatable {
        case nothing
        /// The pin's entry changed: `isAsking` says whether it sends, and its mask may be another.
        case entry(Int)
        case endOfInterrupt(vector: UInt8)
    }

    /// Reads at `offset` of the page: the low `size` bytes of a register, zero where there is none.
    package func read(offset: Int, size: Int) -> UInt64 {
        let value: UInt32 =
            switch offset & 0xff {
            case Offset.select: UInt32(selected)
            case Offset.window: register
            default: 0
            }
        return UInt64(value) & .mask(size * 8)
    }

    mutating func write(_ value: UInt64, offset: Int) -> WriteEffect {
        let value = UInt32(truncatingIfNeeded: value)
        switch offset & 0xff {
        case Offset.select: selected = UInt8(truncatingIfNeeded: value)
        case Offset.window: return setRegister(value)
        case Offset.endOfInterrupt where version >= 0x20:
            return .endOfInterrupt(vector: UInt8(truncatingIfNeeded: value))
        default: break
        }
        return .nothing
    }

    /// What an access does wrong, with the offset or the number of the register.
    struct Mistake: Equatable {
        let kind: GuestMistake.Kind
        let argument: UInt64
    }

    /// Every access is of 32 bits (section 3.0), and the window shows a register that there is.
    func mistake(offset: Int, size: Int, isWrite: Bool) -> Mistake? {
        let isRegister =
            switch offset & 0xff {
            case Offset.select, Offset.window: true
            case Offset.endOfInterrupt: isWrite && version >= 0x20
            default: false
            }
        guard isRegister, size == 4 else { return Mistake(kind: .oddPinAccess, argument: UInt64(offset)) }
        let number = Int(selected)
        guard offset & 0xff == Offset.window, number > Register.arbitration, Self.pin(number) == nil else { return nil }
        return Mistake(kind: .reservedPinRegister, argument: UInt64(number))
    }

    /// The selected register; all ones behind the last pin, as in KVM.
    private var register: UInt32 {
        switch Int(selected) {
        case Register.id, Register.arbitration: return UInt32(id) << 24
        case Register.version: return UInt32(Self.pins - 1) << 16 | UInt32(version)
        case let number:
            guard let pin = Self.pin(number) else { return ~0 }
            return UInt32(truncatingIfNeeded: entries[pin].rawValue >> (number & 1 == 0 ? 0 : 32))
        }
    }

    /// Whether the selected entry is masked; true where none is selected.
    var isSelectedMasked: Bool { Self.pin(Int(selected)).map { entries[$0].isMasked } ?? true }

    private mutating func setRegister(_ value: UInt32) -> WriteEffect {
        switch Int(selected) {
        case Register.id: id = UInt8(value[bits: 24...27])
        case Register.version, Register.arbitration: break
        case let number:
            guard let pin = Self.pin(number) else { return .nothing }
            var raw = entries[pin].rawValue
            let status = raw & RedirectionEntry.readOnly
            if number & 1 == 0 { raw[bits: 0...31] = UInt64(value) } else { raw[bits: 32...63] = UInt64(value) }
            setEntry(pin, RedirectionEntry(rawValue: raw & ~RedirectionEntry.readOnly | status))
            return .entry(pin)
        }
        return .nothing
    }

    /// Gives a pin a new entry. Going over to edge forgets the remote IRR: that is how software ends an interrupt on
    /// chips without an EOI register.
    mutating func setEntry(_ pin: Int, _ entry: RedirectionEntry) {
        entries[pin] = RedirectionEntry(rawValue: entry.rawValue & RedirectionEntry.defined)
        if !entry.isLevel { entries[pin].remoteIRR = false }
    }

    private static func pin(_ number: Int) -> Int? {
        number >= Register.table && number < Register.table + 2 * pins ? (number - Register.table) >> 1 : nil
    }
}
