import Architecture
import KVM
import Primitives

/// A memory operand as the guest's page tables have it, with the rights of kernel mode.
enum OperandPages {
    struct Piece {
        let linear: VirtualAddress
        let physical: PhysicalAddress
        let count: Int
    }

    case memory([Piece])
    case fault(VirtualAddress, PageFaultErrorCode)
    /// An address is not canonical.
    case outside
    /// There is no memory, but perhaps a device.
    case device(PhysicalAddress)

    /// Where the operand of `count` bytes at `address` is, with the registers in `file`.
    init(_ address: VirtualAddress, _ count: Int, isWrite: Bool, _ file: RegisterFile, _ memory: GuestMemory) {
        let paging = X86.paging(file)
        var pieces: [Piece] = []
        var done = 0
        while done < count {
            let linear = VirtualAddress((address.rawValue &+ UInt64(done)) & paging.lastAddress)
            let piece = min(count - done, Int(MemorySlots.pageSize - linear.rawValue % MemorySlots.pageSize))
            let translation: Translation
            do throws(TranslationFault) { translation = try paging.translate(linear, in: memory) } catch {
                if case .nonCanonical = error {
                    self = .outside
                } else {
                    self = .fault(linear, isWrite ? .write : [])
                }
                return
            }
            guard X86.kernelMayAccess(translation, isWrite: isWrite, file) else {
                self = .fault(linear, isWrite ? [.present, .write] : .present)
                return
            }
            guard memory.contains(translation.physical, count: piece) else {
                self = .device(translation.physical)
                return
            }
            pieces.append(Piece(linear: linear, physical: translation.physical, count: piece))
            done += piece
        }
        self = .memory(pieces)
    }
}

extension [OperandPages.Piece] {
    /// Whether they follow each other in memory that can be written.
    func isOnePiece(in memory: GuestMemory) -> Bool {
        let firmware = memory.layout.firmware
        return !contains { firmware.contains($0.physical) }
            && zip(self, dropFirst()).allSatisfy { $0.physical + $0.count == $1.physical }
    }
}
