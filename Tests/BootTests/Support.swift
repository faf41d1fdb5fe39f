// What the tests share: memory as placements leave it, a page walk that trusts nothing.

import Primitives
import TestSupport
import Testing

@testable import Boot

/// Guest memory after an image's placements; everything else is zero.
struct LoadedMemory {
    let image: BootImage

    init(_ image: BootImage) { self.image = image }

    /// The little-endian number at `address`.
    func number(_ address: UInt64, count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(byte(address + UInt64($1))) << UInt64(8 * $1) }
    }

    func byte(_ address: UInt64) -> UInt8 {
        for placement in image.placements where placement.range.contains(PhysicalAddress(address)) {
            let offset = Int(address - placement.address.rawValue)
            return offset < placement.bytes.count ? placement.bytes[offset] : 0
        }
        return 0
    }

    func bytes(_ address: UInt64, count: Int) -> [UInt8] { (0..<UInt64(count)).map { byte(address + $0) } }

    /// The zero-terminated text at `address`.
    func string(_ address: UInt64) -> String {
        var text: [UInt8] = []
        while byte(address + UInt64(text.count)) != 0 { text.append(byte(address + UInt64(text.count))) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Where `address` lies in physical memory, by the four-level tables at CR3; nil where it is not mapped.
    func translate(_ address: UInt64) -> UInt64? {
        var table = image.start.cr3
        for shift: UInt64 in [39, 30, 21, 12] {
            let entry = number(table + (address >> shift & 0x1FF) * 8, count: 8)
            guard entry & 3 == 3 else { return nil }
            let target = entry & 0x000F_FFFF_FFFF_F000
            if shift == 12 || shift == 21 && entry & 0x80 != 0 {
                #expect(target % (1 << shift) == 0)
                return target + address % (1 << shift)
            }
            #expect(entry & 0x80 == 0, "a page of 2^\(shift) bytes")
            table = target
        }
        return nil
    }
}

/// Checks what holds for every image.
func expectSound(_ image: BootImage, in memory: MachineMemory, at location: SourceLocation = #_sourceLocation) {
    let flaws = flaws(of: image, in: memory)
    if !flaws.isEmpty { Issue.record("\(flaws) in \(image.summary)", sourceLocation: location) }
}

func ram(_ size: UInt64 = 256 << 20) throws -> MachineMemory { try MachineMemory(size: size) }

/// The error that loading gives.
func loadError(
    _ file: [UInt8], _ options: LoadOptions = LoadOptions(), memory: MachineMemory? = nil
) throws -> BootError {
    let memory = try memory ?? ram()
    do {
        let image = try load(file, options: options, into: memory)
        throw UnexpectedImage(summary: image.summary)
    } catch let error as BootError {
        return error
    }
}

/// The error's text.
func loadErrorText(
    _ file: [UInt8], _ options: LoadOptions = LoadOptions(), memory: MachineMemory? = nil
) throws -> String {
    try loadError(file, options, memory: memory).description
}

/// An image where an error was expected.
struct UnexpectedImage: Error {
    let summary: String
}
