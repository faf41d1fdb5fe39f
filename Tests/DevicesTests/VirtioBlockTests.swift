import Primitives
import TestSupport
import Testing

@testable import Devices

@Suite struct VirtioBlockTests {
    private let sector = [UInt8](repeating: 0, count: 512)

    @Test("the configuration space has capacity, segments and block size, by any width")
    func configuration() {
        let disk = VirtioDriver.disk(sectors: 300)
        #expect(disk.get(0x100, 8) == 300 && disk.get(0x101, 1) == 1)
        #expect(disk.get(0x10c) == 254 && disk.get(0x114) == 512 && disk.get(0x110) == 0)
        #expect(disk.get(0x13e, 4) == 0 && disk.get(0x1ff, 8) == 0)
    }

    /// A disk as the specification describes it, in a few lines.
    private struct Reference {
        var bytes: [UInt8]
        let isReadOnly: Bool

        mutating func perform(_ kind: UInt32, _ sector: UInt64, _ data: [UInt8]) -> (status: UInt8, data: [UInt8]) {
            let (start, isInside) = (
                Int(sector.clamped(1 << 20)) * 512, sector <= 1 << 20 && Int(sector) * 512 + data.count <= bytes.count
            )
            switch kind {
            case 0: return isInside && data.count % 512 == 0 ? (0, Array(bytes[start..<start + data.count])) : (1, data)
            case 1:
                guard isInside, data.count % 512 == 0, !isReadOnly else { return (1, data) }
                bytes.replaceSubrange(start..<start + data.count, with: data)
                return (0, data)
            case 4: return (0, data)
            case 8:
                let name = Array("disk.img".utf8) + [UInt8](repeating: 0, count: 12)
                return (0, Array(name.prefix(data.count)) + data.dropFirst(20))
            default: return (2, data)
            }
        }
    }

    @Test(
        "any requests, however they are cut into pieces, do what the specification says",
        arguments: 0..<8 as Range<UInt64>)
    func sequences(seed: UInt64) {
        var random = Seeded(seed)
        let disk = VirtioDriver.disk(readOnly: seed % 4 == 3)
        disk.size = 16
        disk.start()
        var reference = Reference(bytes: disk.host.disk, isReadOnly: seed % 4 == 3)
        for round in 0..<300 {
            let kind = [0, 0, 1, 1, 4, 8, 11, 13].randomElement(using: &random)!
            let sector = random.chance(90) ? UInt64.random(in: 0...17, using: &random) : random.magnitude()
            var count = Int.random(in: 0...6, using: &random) * 512
            if random.chance(15) { count = Int.random(in: 0...600, using: &random) }
            let data = random.bytes(count)
            let cuts = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                Int.random(in: 1...count + 17, using: &random)
            }
            let expected = reference.perform(UInt32(kind), sector, data)
            let found = disk.request(UInt32(kind), sector, data, cuts: cuts, isIndirect: random.chance(50))
            let what = "round \(round): \(kind), sector \(sector), \(count) bytes, cut at \(cuts)"
            #expect(found?.status == expected.status && found?.data == expected.data, "\(what)")
            #expect(disk.host.disk == reference.bytes, "\(what)")
            // Never more than was written from the beginning on.
            let filled = kind == 0 && expected.status == 0 ? count : kind == 8 ? min(count, 20) : 0
            let room = kind == 1 ? 0 : count
            #expect(found?.written == UInt64(filled == room ? room + 1 : filled), "\(what)")
        }
        #expect(disk.device.fault == nil)
    }

    @Test("writes are flushed for a driver that does not flush, and only for that one")
    func writeThrough() {
        let disk = VirtioDriver.disk()
        disk.start(features: 1 << 32)
        #expect(disk.request(1, 0, sector)?.status == 0 && disk.host.flushes == 1)
        disk.start()
        #expect(disk.request(1, 0, sector)?.status == 0 && disk.host.flushes == 1)
        #expect(disk.request(4, 0, [])?.status == 0 && disk.host.flushes == 2)
    }

    @Test("what the host's file refuses is an I/O error")
    func hostError() {
        let disk = VirtioDriver.disk()
        disk.start()
        disk.host.fails = true
        for kind in [0, 1, 4] as [UInt32] { #expect(disk.request(kind, 0, sector)?.status == 1, "\(kind)") }
        #expect(disk.device.fault == nil)
    }

    @Test("data outside of memory is an I/O error")
    func dataOutside() {
        let disk = VirtioDriver.disk()
        disk.start()
        for (kind, isWritten) in [(0, true), (1, false)] as [(UInt64, Bool)] {
            for address in [0, 0xffff_ffff_ffff_ff00, 0x1000 + 256 << 10] as [UInt64] {
                disk.memory.store(kind, VirtioDriver.data, 8)
                disk.memory.store(0, VirtioDriver.data + 8, 8)
                disk.chain([
                    (VirtioDriver.data, 16, false), (address, 512, isWritten), (VirtioDriver.data + 0x100, 1, true),
                ])
                disk.memory.store(0xee, VirtioDriver.data + 0x100, 1)
                disk.offer(0)
                disk.notify()
                #expect(disk.memory.number(VirtioDriver.data + 0x100, 1) == 1, "\(kind) \(hexadecimal(address))")
            }
        }
        #expect(disk.device.fault == nil && disk.usedCount == 6)
    }

    @Test("a request for more than the limit is refused before anything is read")
    func limit() {
        let disk = VirtioDriver(
            .block(VirtioBlock(disk: 0, sectors: 1 << 40, isReadOnly: false, name: "")), TestHost())
        disk.start()
        disk.memory.store(0, VirtioDriver.data, 8)
        disk.memory.store(0, VirtioDriver.data + 8, 8)
        disk.chain([(VirtioDriver.data, 16, false), (0x1000, 0xffff_fe00, true), (VirtioDriver.data + 0x100, 1, true)])
        disk.offer(0)
        disk.notify()
        #expect(disk.memory.number(VirtioDriver.data + 0x100, 1) == 1 && disk.device.fault == nil)
    }
}

extension UInt64 {
    fileprivate func clamped(_ limit: UInt64) -> UInt64 { self > limit ? limit : self }
}
