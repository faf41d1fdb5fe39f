import Debugger
import Interrupts
import KVM

/// The kernel's local APICs with the built-in I/O APIC, 8259 pair and 8254: `--irqchip split`. See InterruptModel+Split.
final class SplitPC: KernelLocalAPICs {
    unowned let machine: VirtualMachine
    private(set) var model: InterruptModel?

    init(of machine: VirtualMachine) throws(KVMError) {
        self.machine = machine
        try machine.vm.makeLocalAPICs(pins: IOAPIC.pins)
    }

    func connect() throws(KVMError) { model = try .pc(of: machine, hasLocalAPICs: false) }

    func state() throws(Refusal) -> PCInterruptController {
        do throws(KVMError) { return model!.pcState().joined(by: try machine.kernelAPICs().locals) } catch {
            throw .unreadable(error)
        }
    }

    func view() throws(Refusal) -> InterruptView {
        let now = model!.moment(on: nil)
        do throws(KVMError) {
            let (locals, pages) = try machine.kernelAPICs()
            return InterruptView(
                model!.pcState().joined(by: locals), pages: pages, facts: machine.processorFacts, now: now,
                record: .lines)
        } catch {
            throw .unreadable(error)
        }
    }

    func applyInKernel(_ change: PCInterruptController.Change) throws(Refusal) -> Bool? {
        do throws(KVMError) {
            switch change {
            case .line, .pulse, .mask, .route, .message: return nil
            case .nonMaskable(let index): try machine.processors[index].vcpu.interruptNonMaskably()
            case .clear(let vector, let index): return try machine.processors[index].clearInKernel(vector)
            }
            return true
        } catch {
            throw .refused(error)
        }
    }

    func endOfInterrupt(_ vector: UInt8, by processor: Processor) {
        model!.change(by: processor) { $0.pc!.endOfInterrupt(vector, processor.index, at: $1) }
    }

    func isInService(_ vector: UInt8, on processor: Processor) throws(KVMError) -> Bool {
        if model!.look({ $0.pc!.pics.isInService(vector) }) { return true }
        return processor.isInServiceInKernel(vector)
    }

    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool {
        if try processor.hasKernelNonMaskable() { return true }
        let pc = model!.pcState()
        let whole = pc.joined(by: try machine.kernelAPICs(knowing: processor))
        return reachesUnmaskably(processor, whole, countsTime: pc.pit.due != nil)
    }

    func checkCatch(_ line: Int, _ kind: InterruptEvent.Kind) throws(Refusal) {
        guard kind == .endOfInterrupt else { return }
        let pc = model!.pcState()
        guard pc.pin(of: line).map({ pc.ioapic.entries[$0].isLevel }) ?? false else {
            throw Refusal(
                "n/a (kernel irqchip): the kernel reports the end of level-triggered interrupts only, and "
                    + "\(line) is edge-triggered; --irqchip apic reports all")
        }
    }

    func vectors(ofCaught lines: [Int]) -> [UInt8: Int] {
        // What the built-in 8259 pair gives is recorded.
        lines.isEmpty ? [:] : model!.pcState().vectors(of: lines)
    }
}
