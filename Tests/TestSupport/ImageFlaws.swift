import Boot
import Primitives

/// Placements outside of RAM or over one another, an entry outside of all, a stack that is no memory of its own.
package func flaws(of image: BootImage, in memory: MachineMemory) -> [String] {
    var flaws: [String] = []
    let ordered = image.placements.sorted { $0.address < $1.address }
    for placement in ordered {
        if !memory.contains(placement.range) { flaws.append("\(placement.range) outside of memory") }
        if UInt64(placement.bytes.count) > placement.length { flaws.append("\(placement.range) too short") }
    }
    for (previous, next) in zip(ordered, ordered.dropFirst()) where previous.range.upperBound > next.address {
        flaws.append("\(previous.range) overlaps \(next.range)")
    }
    func isPlaced(_ address: UInt64) -> Bool { ordered.contains { $0.range.contains(PhysicalAddress(address)) } }
    let start = image.start
    if start.mode != .long, !isPlaced(start.code.base + start.instructionPointer) { flaws.append("entry not loaded") }
    if start.rsp != 0, !isPlaced(start.stack.base + start.rsp - 1) { flaws.append("stack not placed") }
    if start.mode == .long, !isPlaced(start.cr3) { flaws.append("page tables not placed") }
    if start.mode != .real, !isPlaced(start.gdt.base.rawValue) { flaws.append("GDT not placed") }
    if image.format == .auto { flaws.append("format auto") }
    if image.summary.isEmpty || image.summary.contains("\n") { flaws.append("summary not one line") }
    return flaws
}
