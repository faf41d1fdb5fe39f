import Debugger
import Interrupts
import KVM
import Primitives

// What the debugger asks of the kernel's GICv2: the built-in one shows on a copy what it comes to, then the kernel gets the
// same through the registers that have that effect, and by KVM_IRQ_LINE what comes by a line.
extension KernelGICv2 {
    func perform(_ request: InterruptRequest) throws(Refusal) -> String {
        var copy: GICv2
        do throws(KVMError) { copy = try state() } catch { throw .unreadable(error) }
        let before = copy.distributor
        let result = copy.perform(request, machine.processorFacts, at: ModelTime(nanoseconds: 0))
        guard result.isDone else { throw Refusal(result.text) }
        var isTaken = true
        do throws(KVMError) {
            try pass(request, isEdge: { before.state($0, $1).isEdge })
            // Whether a level-sensitive one is pending by its line or otherwise shows only now.
            switch request {
            case .inject(let id, let cpu, _) where copy.distributor.state(id, cpu).isPending:
                isTaken = try isPending(id, cpu)
            case .lower(let id, let cpu): return GICv2.lowered(id, staysPending: try isPending(id, cpu))
            case .clear(let id, let cpu): return GICv2.cleared(id, staysPending: try isPending(id, cpu))
            default: break
            }
        } catch {
            throw .refused(error)
        }
        guard isTaken else { throw .drivenByKernel(request) }
        return "\(result)"
    }

    /// GICD_ISPENDR, which has the latch and the line.
    private func isPending(_ id: Int, _ cpu: Int) throws(KVMError) -> Bool {
        try read(Block.setPending + UInt32(id >> 5) * 4, cpu)[bit: id & 31]
    }

    private func pass(_ request: InterruptRequest, isEdge: (Int, Int) -> Bool) throws(KVMError) {
        switch request {
        case .inject(let id, let cpu, _) where id < 16: try send(SGI: id, filter: 2, mask: 0, from: cpu)
        case .inject(let id, let cpu, let how):
            switch how ?? (isEdge(id, cpu) ? .edge : .level) {
            case .edge: try setBit(of: id, cpu, in: Block.setPending)
            case .level: try setLine(id, cpu, true)
            case .pulse:
                try setLine(id, cpu, true)
                try setLine(id, cpu, false)
            }
        case .lower(let id, let cpu): try setLine(id, cpu, false)
        case .clear(let id, let cpu) where id < 16: try setByte(of: id, cpu, in: Block.clearPendingSGI, to: 0xff)
        case .clear(let id, let cpu): try setBit(of: id, cpu, in: Block.clearPending)
        case .send(let id, let sender, .mask(let mask)):
            try send(SGI: id, filter: 0, mask: UInt8(truncatingIfNeeded: mask), from: sender)
        case .send(let id, let sender, .others): try send(SGI: id, filter: 1, mask: 0, from: sender)
        case .send(let id, let sender, .itself): try send(SGI: id, filter: 2, mask: 0, from: sender)
        case .mask(let id, let cpu, let isMasked):
            try setBit(of: id, cpu, in: isMasked ? Block.clearEnable : Block.setEnable)
        case .priority(let id, let cpu, let value): try setByte(of: id, cpu, in: Block.priority, to: value)
        case .route(let id, let mask): try setByte(of: id, 0, in: Block.targets, to: UInt8(truncatingIfNeeded: mask))
        case .group(let id, let cpu, let isOne):
            // Groups can be written once GICD_IIDR was, with the value it has.
            try write(Block.identification, cpu, try read(Block.identification, cpu))
            let offset = Block.group + UInt32(id >> 5) * 4
            var word = try read(offset, cpu)
            word[bit: id & 31] = isOne
            try write(offset, cpu, word)
        case .vector, .interprocessor, .message, .nonMaskable, .record, .clearRecord: break
        }
    }

    private func read(_ offset: UInt32, _ cpu: Int) throws(KVMError) -> UInt64 {
        try vgic.read(.distributor(offset, processor: cpu))
    }

    private func write(_ offset: UInt32, _ cpu: Int, _ value: UInt64) throws(KVMError) {
        try vgic.write(.distributor(offset, processor: cpu), value)
    }

    /// In blocks of one bit an interrupt, where zeroes do nothing.
    private func setBit(of id: Int, _ cpu: Int, in block: UInt32) throws(KVMError) {
        try write(block + UInt32(id >> 5) * 4, cpu, 1 << UInt64(id & 31))
    }

    /// In blocks of one byte an interrupt, where the others stay.
    private func setByte(of id: Int, _ cpu: Int, in block: UInt32, to value: UInt8) throws(KVMError) {
        let offset = block + UInt32(id & ~3)
        var word = block == Block.clearPendingSGI ? 0 : try read(offset, cpu)
        let shift = (id & 3) * 8
        word[bits: shift...shift + 7] = UInt64(value)
        try write(offset, cpu, word)
    }

    private func send(SGI id: Int, filter: UInt64, mask: UInt8, from sender: Int) throws(KVMError) {
        try write(Block.softwareInterrupt, sender, filter << 24 | UInt64(mask) << 16 | UInt64(id))
    }
}
