// PC firmware: a ROM that ends at 4 GiB, its last 256 KiB also below 1 MiB, and the processor as
// after a reset, at 16 bytes below the ROM's end: Intel SDM volume 3, section 10.1.4. What lies below
// 1 MiB is RAM, as after a chipset's shadow was made and opened: there is no chipset that firmware could ask for that.

import Primitives

struct Firmware {
    private static let shadowSize = 0x4_0000
    let file: [UInt8]

    /// Error: `firmwareSize` where `memory` has no ROM of the file's size.
    func load(into memory: MachineMemory) throws(BootError) -> BootImage {
        guard UInt64(file.count) == memory.firmwareSize else { throw .firmwareSize(UInt64(file.count)) }
        var layout = Layout(memory: memory)
        layout.place(file, at: memory.firmware.lowerBound)
        let shadow = file.suffix(Self.shadowSize)
        layout.place(shadow, at: PhysicalAddress(MachineMemory.highMemoryStart - UInt64(shadow.count)))
        return BootImage(
            format: .firmware, placements: layout.placements, start: .reset,
            summary: "firmware in \(rangeText(memory.firmware)), starts at the reset vector, 0xfffffff0")
    }
}
