// The model's side of the comparison: GICv2 and virtual interface wired as on QEMU's "virt" board with one processor.

import Primitives

@testable import Interrupts

/// The four blocks of registers.
enum Region: CaseIterable {
    case distributor, interface, hypervisor, virtual

    var base: UInt64 {
        switch self {
        case .distributor: 0x0800_0000
        case .interface: 0x0801_0000
        case .hypervisor: 0x0803_0000
        case .virtual: 0x0804_0000
        }
    }

    var name: String {
        switch self {
        case .distributor: "GICD"
        case .interface: "GICC"
        case .hypervisor: "GICH"
        case .virtual: "GICV"
        }
    }
}

/// One step of a program.
enum Access: CustomStringConvertible {
    case read(Region, UInt64, size: Int = 4)
    case write(Region, UInt64, UInt32, size: Int = 4)
    /// A device's input changes: an SPI or PPI.
    case line(Int, Bool)

    /// As QEMU's test protocol has it. The GIC's inputs are those of the SPIs, then those of the PPIs.
    var command: String {
        switch self {
        case .read(let region, let offset, let size): "read\(Self.letter(size)) \(hexadecimal(region.base + offset))"
        case .write(let region, let offset, let value, let size):
            "write\(Self.letter(size)) \(hexadecimal(region.base + offset)) \(hexadecimal(value & .mask(8 * size)))"
        case .line(let id, let level):
            "set_irq_in /machine/unattached/device[1] unnamed-gpio-in \(id >= 32 ? id - 32 : 256 + id) \(level ? 1 : 0)"
        }
    }

    private static func letter(_ size: Int) -> String { size == 1 ? "b" : size == 2 ? "w" : "l" }

    var description: String {
        switch self {
        case .read(let region, let offset, let size): "read \(region.name)+\(hexadecimal(offset)), \(size) bytes"
        case .write(let region, let offset, let value, let size):
            "write \(region.name)+\(hexadecimal(offset)) = \(hexadecimal(value)), \(size) bytes"
        case .line(let id, let level): "line \(id) = \(level ? 1 : 0)"
        }
    }
}

/// The inputs of the processor, in the order of QEMU's numbers.
struct ProcessorInputs: Equatable, CustomStringConvertible {
    var levels = [false, false, false, false]

    var description: String {
        let names = zip(["IRQ", "FIQ", "VIRQ", "VFIQ"], levels).filter(\.1).map(\.0)
        return names.isEmpty ? "no input" : names.joined(separator: "+")
    }
}

struct DifferentialBoard {
    /// The PPI that the maintenance interrupt is.
    static let maintenance = 25

    var gic: GICv2
    var guest = VirtualCPUInterface(listRegisters: 4, identification: 0x0002_043b)
    /// Inputs that devices hold up.
    var raised: Set<Int> = []
    /// What QEMU keeps in its list register behind the last one: see `Difference.fifthListRegister`.
    var fifthList: UInt32 = 0
    /// By word: what QEMU holds active for processors that do not exist: see `Difference.activeOnAbsentProcessors`.
    var absentActive = [UInt32](repeating: 0, count: 32)

    private static let now = ModelTime(nanoseconds: 0)

    init(_ configuration: GICv2.Configuration) { gic = GICv2(configuration) }

    /// What a read gives; 0 for everything else. `deactivates` is set where the guest's end reached the Distributor.
    mutating func perform(_ access: Access, deactivates: inout Bool) -> UInt32 {
        switch access {
        case .line(let id, let level):
            if level { raised.insert(id) } else { raised.remove(id) }
            _ = gic.setLine(id, level, at: Self.now)
            return 0
        case .read(.distributor, let offset, let size):
            return UInt32(truncatingIfNeeded: gic.readDistributor(Int(offset), size: size, 0, at: Self.now).value)
        case .read(.interface, let offset, let size):
            return UInt32(truncatingIfNeeded: gic.readInterface(Int(offset), size: size, 0, at: Self.now).value)
        case .read(.hypervisor, let offset, let size): return guest.hypervisor.read(offset: offset, size: size).value
        case .read(.virtual, let offset, let size):
            let access = guest.read(offset: offset, size: size)
            connect(access.effects, &deactivates)
            return access.value
        case .write(.distributor, let offset, let value, let size):
            let word = Int(offset & 0x7f) / 4
            if size == 4, word > 0, word < 9, offset % 4 == 0 {
                if (0x300..<0x380).contains(offset) { absentActive[word] |= value }
                if (0x380..<0x400).contains(offset) { absentActive[word] &= ~value }
            }
            _ = gic.writeDistributor(UInt64(value), Int(offset), size: size, 0, at: Self.now)
        case .write(.interface, let offset, let value, let size):
            _ = gic.writeInterface(UInt64(value), Int(offset), size: size, 0, at: Self.now)
        case .write(.hypervisor, let offset, let value, let size):
            connect(guest.hypervisor.write(value, offset: offset, size: size), &deactivates)
        case .write(.virtual, let offset, let value, let size):
            connect(guest.write(value, offset: offset, size: size), &deactivates)
        }
        return 0
    }

    private mutating func connect(_ effects: [VirtualInterfaceEffect], _ deactivates: inout Bool) {
        for effect in effects {
            switch effect {
            case .maintenance(let level): _ = gic.setLine(Self.maintenance, level, at: Self.now)
            case .deactivatePhysical(let id):
                deactivates = true
                let offset = 0x380 + id / 32 * 4
                _ = gic.writeDistributor(1 << UInt64(id % 32), offset, size: 4, 0, at: Self.now)
            case .virtualIRQ, .virtualFIQ, .mistake: break
            }
        }
    }

    var inputs: ProcessorInputs {
        let virtual = guest.hypervisor.outputs
        return ProcessorInputs(
            levels: [gic.irq.contains(0), gic.fiq.contains(0), virtual.virtualIRQ, virtual.virtualFIQ])
    }

    // MARK: The state as accesses

    /// Writes that bring QEMU's virtual interface to this state.
    var virtualState: [Access] {
        let block = guest.hypervisor
        var all = block.lists.enumerated().map { Access.write(.hypervisor, 0x100 + 4 * UInt64($0), $1.rawValue) }
        all.append(.write(.hypervisor, 0xf0, block.activePriorities))
        all.append(.write(.hypervisor, 0x08, block.machine.rawValue))
        all.append(.write(.hypervisor, 0x00, block.control.rawValue))
        return all
    }

    /// Writes that bring the rest to this state, inputs aside.
    var physicalState: [Access] {
        var all: [Access] = [.write(.distributor, 0x000, gic.distributor.control)]
        func word(_ offset: UInt64, _ index: Int, _ value: UInt32) {
            all.append(.write(.distributor, offset + 4 * UInt64(index), value))
        }
        for half in 0..<18 { word(0xc00, half, gic.inspectDistributor(0xc00 + 4 * half, 0)) }
        for index in 0..<9 {
            let row = gic.distributor.row(index, 0)
            word(0x080, index, gic.distributor.group[row])
            word(0x180, index, ~0)
            word(0x100, index, gic.distributor.enabled[row])
            word(0x280, index, ~0)
            word(0x200, index, gic.distributor.latch[row])
            word(0x380, index, ~0)
            word(0x300, index, gic.distributor.active[row])
        }
        for index in 0..<72 { word(0x400, index, gic.inspectDistributor(0x400 + 4 * index, 0)) }
        for index in 0..<4 { word(0xf10, index, ~0) }
        // A byte of zero would make QEMU's SGI pending from nobody, and end it.
        for id in 0..<16 where gic.distributor.sources[id] != 0 {
            all.append(.write(.distributor, 0xf20 + UInt64(id), UInt32(gic.distributor.sources[id]), size: 1))
        }
        for offset in [0x00, 0x04, 0x08, 0x1c, 0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xe4, 0xe8, 0xec] {
            all.append(.write(.interface, UInt64(offset), gic.inspectInterface(offset, 0)))
        }
        return all
    }
}
