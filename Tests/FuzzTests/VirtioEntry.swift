import Devices
import Primitives
import TestSupport

/// 8 KiB that begin with the input, and what is written to it.
private final class SpoiledMemory: PhysicalMemory {
    static let size: UInt64 = 0x2000
    private var bytes: [UInt8]

    init(_ input: [UInt8]) {
        bytes = Array(input.prefix(Int(Self.size)))
        bytes += [UInt8](repeating: 0, count: Int(Self.size) - bytes.count)
    }

    var ranges: [Range<PhysicalAddress>] { [PhysicalAddress(0)..<PhysicalAddress(Self.size)] }

    private func isInside(_ address: PhysicalAddress, _ count: Int) -> Bool {
        address.rawValue <= Self.size && UInt64(count) <= Self.size - address.rawValue
    }

    func read(_ address: PhysicalAddress, into result: inout [UInt8]) -> Bool {
        guard isInside(address, result.count) else { return false }
        result = Array(bytes[Int(address.rawValue)..<Int(address.rawValue) + result.count])
        return true
    }

    func write(_ address: PhysicalAddress, _ new: ArraySlice<UInt8>) -> Bool {
        guard isInside(address, new.count) else { return false }
        bytes.replaceSubrange(Int(address.rawValue)..<Int(address.rawValue) + new.count, with: new)
        return true
    }

    func word(at address: PhysicalAddress) -> UInt64? { nil }
}

/// A disk that holds nothing and counts what is asked of it.
private final class CountingHost: VirtioHost {
    private(set) var count = 0

    func read(_ disk: Int, at offset: UInt64, into bytes: inout [UInt8]) -> Bool {
        count += bytes.count
        return true
    }
    func write(_ disk: Int, at offset: UInt64, _ bytes: [UInt8]) -> Bool {
        count += bytes.count
        return true
    }
    func flush(_ disk: Int) -> Bool { true }
    func fillRandom(_ bytes: inout [UInt8]) -> Bool {
        count += bytes.count
        return true
    }
}

extension FuzzEntry {
    private static let descriptors: UInt64 = 0
    private static let available: UInt64 = 0x80
    private static let used: UInt64 = 0x100

    /// A queue of 8 with one request of each form: the memory that the driver has filled.
    private static func queue(_ kind: UInt64, isIndirect: Bool) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 0x800)
        let pieces: [(address: UInt64, count: UInt64, flags: UInt64)] = [
            (0x400, 16, 1), (0x500, 512, kind == 0 ? 3 : 1), (0x410, 1, 2),
        ]
        let table: UInt64 = isIndirect ? 0x200 : descriptors
        for (i, piece) in pieces.enumerated() {
            let place = Int(table) + 16 * i
            bytes.store(piece.address, at: place, count: 8)
            bytes.store(piece.count, at: place + 8, count: 4)
            bytes.store(piece.flags, at: place + 12, count: 2)
            bytes.store(i + 1, at: place + 14, count: 2)
        }
        if isIndirect {
            bytes.store(table, at: 0, count: 8)
            bytes.store(48, at: 8, count: 4)
            bytes.store(4, at: 12, count: 2)
        }
        bytes.store(1, at: Int(available) + 2, count: 2)
        bytes.store(kind, at: 0x400, count: 4)
        return bytes
    }

    /// What a driver has left in its memory, for a disk and for an entropy device.
    static let virtioQueue = FuzzEntry(
        name: "virtio-queue", quick: 10_000,
        seeds: [queue(0, isIndirect: false), queue(1, isIndirect: false), queue(0, isIndirect: true)],
        words: [[0, 0, 0, 4], [0xff, 0xff], [4, 0], [1, 0], [3, 0], [0, 0x20, 0, 0]]
    ) { input in
        for function in [
            .block(VirtioBlock(disk: 0, sectors: 1 << 30, isReadOnly: false, name: "")), .entropy,
        ] as [VirtioDevice.Function] {
            if let flaw = flaw(of: function, input) { return flaw }
        }
        return nil
    }

    private static func flaw(of function: VirtioDevice.Function, _ input: [UInt8]) -> String? {
        var device = VirtioDevice(function)
        for (value, register) in [
            (0, 0x24), (1 << 28, 0x20), (1, 0x24), (1, 0x20), (0xb, 0x70), (8, 0x38), (descriptors, 0x80),
            (available, 0x90), (used, 0xa0), (1, 0x44), (0xf, 0x70),
        ] as [(UInt64, Int)] { _ = device.write(value, to: register, size: 4) }
        guard device.write(0, to: 0x50, size: 4) else { return "the device takes no notice" }
        let (memory, host) = (SpoiledMemory(input), CountingHost())
        // A request may write over the ring's index: each changes it once.
        for _ in 0..<64 where device.hasWork { device.serve(memory, host) }
        _ = device.write(0, to: 0x70, size: 4)
        if device.hasWork || device.interruptLevel { return "a reset device goes on" }
        return host.count <= 64 * Int(VirtioBlock.maximumRequest) ? nil : "\(host.count) bytes were moved"
    }
}
