// The MP table of kernels without ACPI: Intel MultiProcessor Specification 1.4, chapter 4. Leaves out: PCI, extended entries.

import Primitives

struct MultiprocessorTable {
    private enum Entry {
        static let processor: UInt8 = 0
        static let bus: UInt8 = 1
        static let ioAPIC: UInt8 = 2
        static let ioInterrupt: UInt8 = 3
        static let localInterrupt: UInt8 = 4
    }

    private enum Interrupt {
        static let vectored: UInt8 = 0
        static let nmi: UInt8 = 1
        static let external: UInt8 = 3
    }

    private static let version: UInt8 = 4
    private static let apicVersion: UInt8 = 0x14

    let machine: PCMachine

    /// Adds the configuration table and the floating pointer to it.
    func place(in area: inout TableArea) {
        let table = area.add(configuration)
        // One unit of 16 bytes; not one of the default configurations; virtual wire mode.
        var pointer = Array("_MP_".utf8) + ACPITables.bytes(UInt32(table)) + [1, Self.version, 0, 0, 0, 0, 0, 0]
        pointer.storeChecksum(at: 10)
        area.add(pointer)
    }

    private var configuration: [UInt8] {
        let entries = processors + [bus, ioAPIC] + ioInterrupts + localInterrupts
        let body = entries.flatMap { $0 }
        var bytes = Array("PCMP".utf8) + ACPITables.bytes(UInt16(44 + body.count)) + [Self.version, 0]
        bytes += Array("STUBVM  STUBVISOR PC".utf8) + ACPITables.bytes(UInt32(0)) + [0, 0]
        bytes += ACPITables.bytes(UInt16(entries.count)) + ACPITables.bytes(UInt32(PCBoard.localAPIC.rawValue))
        bytes += [0, 0, 0, 0] + body
        bytes.storeChecksum(at: 7)
        return bytes
    }

    /// Enabled all, the first the boot processor; with an FPU, an APIC and CMPXCHG8B, whatever CPUID says beyond.
    private var processors: [[UInt8]] {
        (0..<UInt8(machine.processorCount)).map { id -> [UInt8] in
            var entry: [UInt8] = [Entry.processor, id, Self.apicVersion, id == 0 ? 3 : 1]
            entry += ACPITables.bytes(UInt32(0x600))
            entry += ACPITables.bytes(UInt32(0x301))
            return entry + [UInt8](repeating: 0, count: 8)
        }
    }

    private var bus: [UInt8] { [Entry.bus, 0] + Array("ISA   ".utf8) }

    private var ioAPIC: [UInt8] {
        [Entry.ioAPIC, 0, 0x11, 1] + ACPITables.bytes(UInt32(PCBoard.ioAPIC.rawValue))
    }

    /// ISA interrupt N at pin N, but for the timer.
    private var ioInterrupts: [[UInt8]] {
        (0..<16 as Range<UInt8>).filter { $0 != UInt8(PCBoard.timerPin) }.map { line -> [UInt8] in
            let flags: UInt16 = machine.levels.contains(UInt32(line)) ? 0xD : 0
            let pin = line == 0 ? UInt8(PCBoard.timerPin) : line
            var entry: [UInt8] = [Entry.ioInterrupt, Interrupt.vectored]
            entry += ACPITables.bytes(flags)
            return entry + [0, line, 0, pin]
        }
    }

    /// The 8259s' output at LINT0 of all local APICs, the NMI at LINT1.
    private var localInterrupts: [[UInt8]] {
        [(Interrupt.external, 0), (Interrupt.nmi, 1)].map { kind, input in
            [Entry.localInterrupt, kind, 0, 0, 0, 0, 0xFF, input]
        }
    }
}
