import Debugger
import Interrupts
import Primitives

// `monitor catch irq` where the kernel has the local APICs, which tell nobody what a processor takes. The vector of a
// caught input is in its pin's redirection entry: a hidden breakpoint on that vector's handler sees its interrupts, and
// others of the same vector as well. With the kernel's I/O APIC the entry is that of the last resume.
extension VirtualMachine {
    /// Refuses a station that nobody would tell of.
    func checkInterrupt(_ line: Int, _ kind: InterruptEvent.Kind) throws(Refusal) {
        let irqchip = configuration.interruptController
        if irqchip == .vgic, kind != .deliver {
            throw Refusal(
                "n/a (kernel irqchip): the kernel reports none of these events; for the handler: catch irq \(line); "
                    + "--irqchip gicv2 reports all")
        }
        guard irqchip.hasKernelAPICs, kind != .acknowledge, kind != .deliver else { return }
        if irqchip.hasKernelChips {
            throw Refusal(
                "n/a (kernel irqchip): the kernel reports none of these events; for the handler: catch irq \(line); "
                    + "--irqchip apic reports all")
        }
        guard let model, kind == .endOfInterrupt else { return }
        let isLevel = model.look { controllers in
            controllers.pc.flatMap { pc in pc.pin(of: line).map { pc.ioapic.entries[$0].isLevel } } ?? false
        }
        guard isLevel else {
            throw Refusal(
                "n/a (kernel irqchip): the kernel reports the end of level-triggered interrupts only, and "
                    + "\(line) is edge-triggered; --irqchip apic reports all")
        }
    }

    /// Caught inputs by the vectors of their handlers; empty where the model has the local APICs.
    var caughtLines: [UInt8: Int] { arrangement.catches.isEmpty ? [:] : lineVectors.withLock { $0 } }

    /// Before the machine goes on: finds the vectors of caught inputs.
    func applyLineCatches() {
        let irqchip = configuration.interruptController
        guard irqchip.hasKernelAPICs else { return }
        var vectors: [UInt8: Int] = [:]
        if catchesLines {
            if let model {
                vectors = model.look { $0.pc.map { self.vectors($0) } ?? [:] }
            } else if let view = try? kernelInterrupts() {
                vectors = self.vectors(view.controllers)
                // What the built-in 8259 pair gives, its journal tells.
                for line in wantedLines where line < 16 { vectors[view.controllers.pics.vector(of: line)] = line }
            }
        }
        lineVectors.withLock { $0 = vectors }
    }

    /// The guest has changed a redirection entry: other handlers may have to be watched, by every vCPU.
    func follow(_ controllers: PCInterruptController) {
        guard catchesLines else { return }
        let vectors = vectors(controllers)
        let isNew = lineVectors.withLock { old in
            defer { old = vectors }
            return old != vectors
        }
        if isNew { processors.forEach { $0.kick() } }
    }

    private var catchesLines: Bool { !wantedLines.isEmpty }

    private var wantedLines: [Int] {
        arrangement.catches.compactMap {
            switch $0.kind {
            case .interrupt(let line, .acknowledge), .interrupt(let line, .deliver): line
            default: nil
            }
        }
    }

    private func vectors(_ controllers: PCInterruptController) -> [UInt8: Int] {
        var vectors: [UInt8: Int] = [:]
        for line in wantedLines {
            guard let pin = controllers.pin(of: line) else { continue }
            let entry = controllers.ioapic.entries[pin]
            if entry.message.hasVector, entry.vector >= 16 { vectors[entry.vector] = line }
        }
        return vectors
    }
}
