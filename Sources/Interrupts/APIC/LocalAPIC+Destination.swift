// Whether a message means this APIC: Intel SDM volume 3, sections 11.6.2 and 11.12.10.

import Primitives

extension LocalAPIC {
    /// Whether the destination field of `message` names this APIC; shorthands are the sender's. An 8-bit broadcast
    /// from outside (`isFromProcessor` false) reaches APICs in x2APIC mode too, as KVM has it: a device cannot write
    /// 32 bits.
    func isAddressed(by message: InterruptMessage, isFromProcessor: Bool) -> Bool {
        let isX2APIC = mode == .x2APIC
        if mode == .disabled { return false }
        let destination = message.destination
        if destination == (isX2APIC ? 0xffff_ffff : 0xff) { return true }
        if isX2APIC, !isFromProcessor, destination == 0xff { return true }
        guard message.isLogical else { return destination == id }
        if isX2APIC {
            let own = logicalDestination
            return own >> 16 == destination >> 16 && own & destination & 0xffff != 0
        }
        guard destination <= 0xff else { return false }
        let mask = UInt8(destination)
        switch destinationFormat >> 28 {
        case 0xf: return logicalID & mask != 0
        case 0: return logicalID >> 4 == mask >> 4 && logicalID & mask & 0xf != 0
        default: return false
        }
    }
}
