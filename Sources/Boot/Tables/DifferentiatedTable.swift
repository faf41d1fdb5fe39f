// The DSDT: the devices of PCBoard that drivers look for by an id, with their ports and interrupts, and the sleep state
// that switches off. AML (ACPI specification 6.5, chapter 20), resource descriptors (section 6.4).

import Primitives

struct DifferentiatedTable {
    let machine: PCMachine

    var bytes: [UInt8] {
        // SLP_TYP of S5, for PM1a and PM1b.
        let off = AML.name("_S5_", AML.package([0, 0, 0, 0].map(AML.integer)))
        let devices =
            PCBoard.devices.compactMap { device in
                device.acpi.map { Self.describe(device, name: $0.name, id: $0.id) }
            } + machine.virtio.enumerated().map { Self.describe($1, number: UInt8($0)) }
        return ACPITables.table("DSDT", revision: 2, off + AML.scope("_SB_", devices.flatMap { $0 }))
    }

    private static func describe(_ device: PCBoard.Device, name: String, id: String) -> [UInt8] {
        var resources: [UInt8] = []
        for ports in device.ports { resources += AML.ports(ports.first, count: UInt8(ports.count)) }
        if let line = device.line { resources += AML.interrupt(line) }
        return describe(name, id.hasPrefix("PNP") ? AML.eisaID(id) : AML.string(id), resources)
    }

    /// The id is the one that drivers of virtio-mmio look for.
    private static func describe(_ place: VirtioPlace, number: UInt8) -> [UInt8] {
        let resources =
            AML.memory(UInt32(place.address.rawValue), count: UInt32(VirtioPlace.size))
            + AML.levelInterrupt(place.interrupt)
        return describe("VIO\(number)", AML.string("LNRO0005"), resources, AML.name("_UID", AML.integer(number)))
    }

    private static func describe(
        _ name: String, _ id: [UInt8], _ resources: [UInt8], _ more: [UInt8] = []
    ) -> [UInt8] {
        AML.device(
            name,
            AML.name("_HID", id) + more + AML.name("_STA", AML.integer(0xF))
                + AML.name("_CRS", AML.buffer(resources + AML.endOfResources)))
    }
}

/// The pieces of AML that a DSDT without methods takes.
private enum AML {
    static func name(_ name: String, _ value: [UInt8]) -> [UInt8] { [0x08] + Array(name.utf8) + value }
    static func scope(_ name: String, _ body: [UInt8]) -> [UInt8] {
        [0x10] + sized(Array("\\\(name)".utf8) + body)
    }
    static func device(_ name: String, _ body: [UInt8]) -> [UInt8] {
        [0x5B, 0x82] + sized(Array(name.utf8) + body)
    }
    static func package(_ elements: [[UInt8]]) -> [UInt8] {
        [0x12] + sized([UInt8(elements.count)] + elements.flatMap { $0 })
    }
    static func buffer(_ bytes: [UInt8]) -> [UInt8] { [0x11] + sized(integer(UInt8(bytes.count)) + bytes) }
    static func string(_ text: String) -> [UInt8] { [0x0D] + Array(text.utf8) + [0] }

    static func integer(_ value: UInt8) -> [UInt8] { value < 2 ? [value] : [0x0A, value] }

    /// "PNP0501": three letters of five bits, then four digits, the high byte first.
    static func eisaID(_ text: String) -> [UInt8] {
        let letters = text.utf8.prefix(3).reduce(0 as UInt16) { $0 << 5 | UInt16($1 - 0x40) }
        let number = UInt16(text.dropFirst(3), radix: 16) ?? 0
        return [0x0C, UInt8(letters >> 8), UInt8(letters & 0xFF), UInt8(number >> 8), UInt8(number & 0xFF)]
    }

    /// Fixed I/O ports, 16 bits decoded.
    static func ports(_ first: UInt16, count: UInt8) -> [UInt8] {
        [0x47, 1] + ACPITables.bytes(first) + ACPITables.bytes(first) + [1, count]
    }

    /// An ISA interrupt: edge-triggered, active high.
    static func interrupt(_ line: UInt32) -> [UInt8] { [0x22] + ACPITables.bytes(UInt16(1) << line) }

    /// Memory at a fixed address, written too (6.4.3.4).
    static func memory(_ first: UInt32, count: UInt32) -> [UInt8] {
        [0x86, 9, 0, 1] + ACPITables.bytes(first) + ACPITables.bytes(count)
    }

    /// An interrupt by its global number: a level, active high, of one device (6.4.3.6).
    static func levelInterrupt(_ number: UInt32) -> [UInt8] { [0x89, 6, 0, 1, 1] + ACPITables.bytes(number) }

    static let endOfResources: [UInt8] = [0x79, 0]

    /// PkgLength, which counts itself, before `body`.
    private static func sized(_ body: [UInt8]) -> [UInt8] {
        if body.count + 1 < 0x40 { return [UInt8(body.count + 1)] + body }
        let size = body.count + 2
        precondition(size < 0x1000, "an AML package of \(size) bytes takes a longer PkgLength")
        return [0x40 | UInt8(size & 0xF), UInt8(size >> 4)] + body
    }
}
