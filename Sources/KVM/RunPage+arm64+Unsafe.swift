#if arch(arm64)
import CLinux
import Primitives

// The arm64 half of the run page: KVM_EXIT_DEBUG's payload and the levels of the processor's own devices.
//
// SAFETY: fields of the page that the kernel has filled before the last exit.
extension RunPage {
    var debugExit: Exit.DebugExit {
        let arch = page.pointee.debug.arch
        let syndrome = UInt64(arch.hsr) | UInt64(arch.hsr_high) << 32
        return Exit.DebugExit(code: syndrome, programCounter: VirtualAddress(0), status: arch.far)
    }

    var deviceInterrupts: DeviceInterrupts {
        DeviceInterrupts(rawValue: page.pointee.s.regs.device_irq_level)
    }
}
#endif
