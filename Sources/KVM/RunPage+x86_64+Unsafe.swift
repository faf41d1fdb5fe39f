#if arch(x86_64)
import CLinux
import Primitives

// The x86 half of the run page: KVM_EXIT_DEBUG's payload and the synchronised registers (KVM_CAP_SYNC_REGS).
extension RunPage {
    var debugExit: Exit.DebugExit {
        let arch = page.pointee.debug.arch
        return Exit.DebugExit(code: UInt64(arch.exception), programCounter: VirtualAddress(arch.pc), status: arch.dr6)
    }

    /// Asks for these blocks (KVM_SYNC_X86_*) in the page after every exit.
    func requestSync(_ blocks: UInt64) { page.pointee.kvm_valid_regs = blocks }

    /// Copies the synchronised `kvm_regs` and `kvm_sregs` out.
    func copySynchronised(general: Int, system: Int, into storage: inout [UInt8]) {
        // SAFETY: both structures lie inside the page's `s` union; the destination ranges are bounds-checked.
        storage.withUnsafeMutableBytes { bytes in
            withUnsafeBytes(of: &page.pointee.s.regs.regs) { bytes[general...].copyPrefix(of: $0) }
            withUnsafeBytes(of: &page.pointee.s.regs.sregs) { bytes[system...].copyPrefix(of: $0) }
        }
    }
}

extension Slice where Base == UnsafeMutableRawBufferPointer {
    /// Copies `source` to this slice's start; it must fit.
    fileprivate func copyPrefix(of source: UnsafeRawBufferPointer) {
        precondition(source.count <= count, "a register block larger than its place")
        UnsafeMutableRawBufferPointer(rebasing: self).copyMemory(from: source)
    }
}
#endif
