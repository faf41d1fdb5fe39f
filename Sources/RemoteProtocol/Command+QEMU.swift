// What QEMU's gdb server added and people's scripts use. QEMU documentation, "GDB usage", Advanced debugging options.

extension Command {
    static let emulatorNames: [NamedPacket] = [
        NamedPacket("qqemu.Supported", .emulatorFeatures),
        // These three with either letter, as QEMU takes them: pwndbg and GEF recognise QEMU by the second spelling.
        NamedPacket("qqemu.sstepbits", .stepMaskBits),
        NamedPacket("Qqemu.sstepbits", .stepMaskBits),
        NamedPacket("qqemu.sstep", .stepMask),
        NamedPacket("Qqemu.sstep", .stepMask),
        NamedPacket("qqemu.sstep=", then: { (reader) throws(Malformed) in .setStepMask(try reader.number()) }),
        NamedPacket("Qqemu.sstep=", then: { (reader) throws(Malformed) in .setStepMask(try reader.number()) }),
        NamedPacket("qqemu.PhyMemMode", .physicalMemoryMode),
        NamedPacket(
            "Qqemu.PhyMemMode:",
            then: { (reader) throws(Malformed) in
                .setPhysicalMemoryMode(try reader.flag())
            }),
    ]
}
