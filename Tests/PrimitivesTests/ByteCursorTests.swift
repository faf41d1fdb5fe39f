import TestSupport
import Testing

@testable import Primitives

@Suite("Byte cursor")
struct ByteCursorTests {
    /// The number in `bytes`, their first being the least.
    private func slowNumber(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 * 256 + UInt64($1) }
    }

    @Test("numbers of all widths are taken one after another", arguments: 1...8 as ClosedRange<UInt64>)
    func sequence(seed: UInt64) throws {
        var random = Seeded(seed)
        let data = random.bytes(200)
        var cursor = ByteCursor(data)
        var place = 0
        while place < 180 {
            let size = 1 << Int.random(in: 0...3, using: &random)
            let expected = slowNumber(data[place..<place + size])
            let value =
                switch size {
                case 1: UInt64(try cursor.next(UInt8.self))
                case 2: UInt64(try cursor.next(UInt16.self))
                case 4: UInt64(try cursor.next(UInt32.self))
                default: try cursor.next(UInt64.self)
                }
            #expect(value == expected, "\(size) bytes at \(place)")
            place += size
            #expect(cursor.offset == place)
        }
    }

    @Test("signed numbers keep their sign")
    func signs() throws {
        var cursor = ByteCursor([0xff, 0xfe, 0xff, 0x00, 0x00, 0x00, 0x80])
        #expect(try cursor.next(Int8.self) == -1)
        #expect(try cursor.next(Int16.self) == -2)
        #expect(try cursor.next(Int32.self) == .min)
    }

    @Test("a read past the end says what it wanted, and moves nothing", arguments: -9...9)
    func outOfBounds(offset: Int) {
        let data: [UInt8] = [1, 2, 3, 4, 5, 6, 7]
        var cursor = ByteCursor(data, at: offset)
        let fits = offset >= 0 && offset + 4 <= data.count
        do throws(ByteCursor.OutOfBounds) {
            let value = try cursor.next(UInt32.self)
            #expect(fits)
            #expect(UInt64(value) == slowNumber(data[offset..<offset + 4]))
        } catch {
            #expect(!fits)
            #expect(error == ByteCursor.OutOfBounds(offset: offset, count: 4))
            #expect(cursor.offset == offset)
        }
    }

    @Test("the largest offsets and counts are out of bounds, not a trap")
    func extremes() {
        for offset in [Int.min, -1, Int.max - 1, .max] {
            var cursor = ByteCursor([1, 2, 3], at: offset)
            #expect(throws: ByteCursor.OutOfBounds(offset: offset, count: 8)) { try cursor.next(UInt64.self) }
            #expect(throws: ByteCursor.OutOfBounds(offset: offset, count: 1)) { try cursor.next(count: 1) }
        }
        var cursor = ByteCursor([1, 2, 3], at: 2)
        for count in [Int.min, -1, 2, Int.max] {
            #expect(throws: ByteCursor.OutOfBounds(offset: 2, count: count)) { try cursor.next(count: count) }
        }
        #expect(cursor.offset == 2)
    }

    @Test("so many bytes are taken, down to none at the very end")
    func pieces() throws {
        var cursor = ByteCursor([1, 2, 3])
        #expect(try cursor.next(count: 2) == [1, 2])
        #expect(try cursor.next(count: 1) == [3])
        #expect(try cursor.next(count: 0).isEmpty)
        #expect(cursor.offset == 3)
    }

    @Test("what is stored is found there, and its neighbours stay", arguments: 1...8 as ClosedRange<UInt64>)
    func storing(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<300 {
            let before = random.bytes(24)
            let count = Int.random(in: 0...8, using: &random)
            let offset = Int.random(in: 0...24 - count, using: &random)
            let value = random.next()
            var data = before
            data.store(value, at: offset, count: count)
            #expect(data[..<offset] == before[..<offset])
            #expect(data[(offset + count)...] == before[(offset + count)...])
            let read: UInt64 = data.number(at: offset, count: count)
            #expect(read == slowNumber(data[offset..<offset + count]))
            #expect(read == value & .mask(count * 8))
        }
    }

    @Test("a number is appended in its full width, the least byte first")
    func appending() {
        var data: [UInt8] = [9]
        data.append(littleEndian: UInt8(1))
        data.append(littleEndian: UInt16(0x0203))
        data.append(littleEndian: UInt32(0x0405_0607))
        data.append(littleEndian: Int64(-2))
        #expect(data == [9, 1, 3, 2, 7, 6, 5, 4, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }
}
