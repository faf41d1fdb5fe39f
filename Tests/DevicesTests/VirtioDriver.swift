import Devices
import Primitives

/// 256 KiB of guest memory from 0x1000 on.
final class TestMemory: PhysicalMemory {
    static let start: UInt64 = 0x1000
    private(set) var bytes = [UInt8](repeating: 0, count: 256 << 10)

    var ranges: [Range<PhysicalAddress>] {
        [PhysicalAddress(Self.start)..<PhysicalAddress(Self.start + UInt64(bytes.count))]
    }

    private func place(_ address: PhysicalAddress, _ count: Int) -> Range<Int>? {
        guard address.rawValue >= Self.start, address.rawValue - Self.start <= UInt64(bytes.count) else { return nil }
        let first = Int(address.rawValue - Self.start)
        return count <= bytes.count - first ? first..<first + count : nil
    }

    func read(_ address: PhysicalAddress, into result: inout [UInt8]) -> Bool {
        guard let place = place(address, result.count) else { return false }
        result = Array(bytes[place])
        return true
    }

    func write(_ address: PhysicalAddress, _ new: ArraySlice<UInt8>) -> Bool {
        guard let place = place(address, new.count) else { return false }
        bytes.replaceSubrange(place, with: new)
        return true
    }

    func word(at address: PhysicalAddress) -> UInt64? {
        place(address, 8).map { bytes.number(at: $0.lowerBound, count: 8) }
    }

    func number(_ address: UInt64, _ count: Int) -> UInt64 {
        bytes.number(at: Int(address - Self.start), count: count)
    }
    func store(_ value: UInt64, _ address: UInt64, _ count: Int) {
        bytes.store(value, at: Int(address - Self.start), count: count)
    }
}

/// One disk, and numbers that count up.
final class TestHost: VirtioHost {
    var disk: [UInt8]
    private(set) var flushes = 0
    var fails = false

    init(sectors: Int = 16) { disk = (0..<sectors * 512).map { UInt8(truncatingIfNeeded: $0 / 512 + $0) } }

    func read(_ number: Int, at offset: UInt64, into bytes: inout [UInt8]) -> Bool {
        if fails { return false }
        bytes = Array(disk[Int(offset)..<Int(offset) + bytes.count])
        return true
    }

    func write(_ number: Int, at offset: UInt64, _ bytes: [UInt8]) -> Bool {
        if fails { return false }
        disk.replaceSubrange(Int(offset)..<Int(offset) + bytes.count, with: bytes)
        return true
    }

    func flush(_ number: Int) -> Bool {
        flushes += 1
        return !fails
    }

    func fillRandom(_ bytes: inout [UInt8]) -> Bool {
        for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: i + 1) }
        return true
    }
}

/// A driver with one queue, as section 2.7 of virtio 1.2 has it.
final class VirtioDriver {
    typealias Piece = (address: UInt64, count: Int, isWritten: Bool)

    enum Register {
        static let status = 0x70
        static let notify = 0x50
        static let ready = 0x44
        static let size = 0x38
        static let interrupt = 0x60
        static let acknowledge = 0x64
    }

    static let descriptors: UInt64 = 0x2000
    static let available: UInt64 = 0x3000
    static let used: UInt64 = 0x4000
    static let table: UInt64 = 0x5000
    static let data: UInt64 = 0x1_0000

    var device: VirtioDevice
    let memory = TestMemory()
    let host: TestHost
    var size = 8

    init(_ function: VirtioDevice.Function, _ host: TestHost = TestHost()) {
        device = VirtioDevice(function)
        self.host = host
    }

    /// A block device of the host's disk.
    static func disk(readOnly: Bool = false, name: String = "disk.img", sectors: Int = 16) -> VirtioDriver {
        let host = TestHost(sectors: sectors)
        return VirtioDriver(
            .block(VirtioBlock(disk: 0, sectors: UInt64(sectors), isReadOnly: readOnly, name: name)), host)
    }

    func get(_ register: Int, _ size: Int = 4) -> UInt64 { device.read(register, size: size) }
    @discardableResult
    func put(_ value: UInt64, _ register: Int, _ size: Int = 4) -> Bool {
        device.write(value, to: register, size: size)
    }

    /// What the device offers.
    func offered() -> UInt64 {
        put(0, 0x14)
        let low = get(0x10)
        put(1, 0x14)
        return low | get(0x10) << 32
    }

    /// Agrees on `features`, by default on all, and puts the queue to use: the status then.
    @discardableResult
    func start(features: UInt64? = nil) -> UInt64 {
        let features = features ?? offered()
        for value in [0, 1, 3] as [UInt64] { put(value, Register.status) }
        for page in 0..<2 as Range<UInt64> {
            put(page, 0x24)
            put(features >> (32 * page) & 0xffff_ffff, 0x20)
        }
        put(0xb, Register.status)
        setQueue()
        put(1, Register.ready)
        put(0xf, Register.status)
        return get(Register.status)
    }

    func setQueue() {
        put(0, 0x30)
        put(UInt64(size), Register.size)
        for (register, address) in [(0x80, Self.descriptors), (0x90, Self.available), (0xa0, Self.used)] {
            put(address & 0xffff_ffff, register)
            put(address >> 32, register + 4)
        }
        for address in [Self.available, Self.used] { memory.store(0, address, 4) }
    }

    func describe(
        _ index: Int, _ address: UInt64, _ count: Int, flags: UInt64, next: Int = 0, at base: UInt64 = descriptors
    ) {
        let place = base + UInt64(index) * 16
        memory.store(address, place, 8)
        memory.store(UInt64(count), place + 8, 4)
        memory.store(flags, place + 12, 2)
        memory.store(UInt64(next), place + 14, 2)
    }

    /// Writes a chain of `pieces` from entry `first` on.
    func chain(_ pieces: [Piece], first: Int = 0, at base: UInt64 = descriptors) {
        for (i, piece) in pieces.enumerated() {
            let flags: UInt64 = (piece.isWritten ? 2 : 0) | (i + 1 < pieces.count ? 1 : 0)
            describe(first + i, piece.address, piece.count, flags: flags, next: first + i + 1, at: base)
        }
    }

    /// Puts `head` into the available ring.
    func offer(_ head: Int) {
        let index = memory.number(Self.available + 2, 2)
        memory.store(UInt64(head), Self.available + 4 + 2 * (index % UInt64(size)), 2)
        memory.store((index + 1) & 0xffff, Self.available + 2, 2)
    }

    /// Notifies the device and has it serve until it has nothing to do: how many times that took.
    @discardableResult
    func notify() -> Int {
        guard put(0, Register.notify) else { return 0 }
        var count = 0
        while device.hasWork, count < 10_000 {
            device.serve(memory, host)
            count += 1
        }
        return count
    }

    /// The entries of the used ring so far.
    var usedCount: Int { Int(memory.number(Self.used + 2, 2)) }
    func usedLength(_ index: Int) -> UInt64 { memory.number(Self.used + 4 + 8 * UInt64(index % size) + 4, 4) }

    /// One request of the block device, its bytes cut where `cuts` says: its status, and how much was written; nil where the
    /// device gave nothing back.
    func request(
        _ kind: UInt32, _ sector: UInt64, _ data: [UInt8], cuts: [Int] = [16], isIndirect: Bool = false
    ) -> (status: UInt8, written: UInt64, data: [UInt8])? {
        let reads = kind != 1
        var header: [UInt8] = []
        header.append(littleEndian: kind)
        header.append(littleEndian: 0 as UInt32)
        header.append(littleEndian: sector)
        let all = header + data + [0xee]
        _ = memory.write(PhysicalAddress(Self.data), all[...])
        let boundary = reads ? 16 : all.count - 1
        let places = Set(cuts.filter { $0 > 0 && $0 < all.count } + [0, boundary, all.count]).sorted()
        let pieces = zip(places, places.dropFirst()).map { start, end in
            (Self.data + UInt64(start), end - start, start >= boundary)
        }
        chain(pieces, at: isIndirect ? Self.table : Self.descriptors)
        if isIndirect { describe(0, Self.table, pieces.count * 16, flags: 4) }
        let before = usedCount
        offer(0)
        notify()
        guard usedCount == (before + 1) & 0xffff else { return nil }
        var result = [UInt8](repeating: 0, count: all.count)
        _ = memory.read(PhysicalAddress(Self.data), into: &result)
        return (result[all.count - 1], usedLength(before), Array(result[16..<all.count - 1]))
    }
}
