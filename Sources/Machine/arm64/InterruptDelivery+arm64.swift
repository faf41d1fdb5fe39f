import Host
import Interrupts
import KVM
import Primitives

/// The interrupt inputs of an arm64 processor, which a GIC's CPU interface drives.
struct ArmInputs: OptionSet, Sendable {
    let rawValue: UInt8

    static let irq = ArmInputs(rawValue: 1 << 0)
    static let fiq = ArmInputs(rawValue: 1 << 1)
}

// How the built-in GIC's outputs get to KVM (Documentation/virt/kvm/api.rst, KVM_IRQ_LINE).
extension Processor {
    /// Before the vCPU runs; an outcome where an event that was waited for stops it.
    func makeReadyArm() throws(KVMError) -> Outcome? {
        guard let model = machine.model else { return nil }
        if signals.interruptsChanged.exchange(false, ordering: .acquiringAndReleasing) { driveInputs() }
        guard let hit = model.takeHit() else { return nil }
        // The guest must stand behind the access that made it, not inside.
        _ = try complete()
        return .stop(stop(for: hit))
    }

    /// Brings KVM's levels of this vCPU's inputs to the model's. On the vCPU's own thread only: the kernel keeps them in
    /// its copy of HCR_EL2, which it also changes, without a lock, as it loads a vCPU to run. A level that another thread
    /// gives it at that moment is lost, and with it the interrupt. So other threads leave word and call this one.
    func driveInputs() {
        guard let wanted = machine.model?.inputs(of: index), wanted != arm64.drivenInputs else { return }
        let changed = wanted.symmetricDifference(arm64.drivenInputs)
        for (input, isFast) in [(ArmInputs.irq, false), (.fiq, true)] where changed.contains(input) {
            let line = ArmInterruptLine.processor(index, isFast: isFast)
            do throws(KVMError) {
                try machine.vm.setInterruptLine(line.number, wanted.contains(input))
                arm64.drivenInputs.formSymmetricDifference(input)
            } catch {
                diagnose(.interruptInput, "vCPU \(index) does not hear of its interrupts: \(error)")
            }
        }
    }

    /// The private interrupts of a processor's own devices.
    private static let deviceInterrupts: [(device: DeviceInterrupts, number: UInt32)] = [
        (.performanceMonitor, ArmBoard.performanceMonitor), (.virtualTimer, ArmBoard.virtualTimer),
        (.physicalTimer, ArmBoard.physicalTimer),
    ]

    /// With the built-in GIC, after every exit: the timers and the performance monitor as they are now.
    func followDevices() {
        guard let model = machine.model else { return }
        let levels = vcpu.deviceInterrupts
        guard levels != arm64.deviceLevels else { return }
        let changed = levels.symmetricDifference(arm64.deviceLevels)
        arm64.deviceLevels = levels
        for (device, number) in Self.deviceInterrupts where changed.contains(device) {
            model.change(by: self) {
                $0.setLine(Int(number), cpu: index, levels.contains(device), at: $1)
            }
        }
    }
}

extension VirtualMachine {
    /// arm64: the IRQ and FIQ inputs of the vCPUs that `outcome` has changed follow, each on its own thread.
    func signalArm(_ outcome: InterruptOutcome, by caller: Processor?) {
        for index in outcome.changed {
            let processor = processors[index]
            if processor === caller {
                processor.driveInputs()
            } else {
                processor.signals.interruptsChanged.store(true, ordering: .releasing)
                processor.kick()
            }
        }
    }
}
