import Debugger
import Interrupts
import Primitives

// `monitor catch irq` where the kernel has the local APICs, which do not report what a processor takes. The vector of a
// caught input is in its pin's redirection entry: a hidden breakpoint on that vector's handler sees its interrupts, and
// others of the same vector as well. With the kernel's I/O APIC the entry is that of the last resume.
extension VirtualMachine {
    /// Caught inputs by the vectors of their handlers; empty where the model has the local APICs.
    var caughtLines: [UInt8: Int] { arrangement.catches.isEmpty ? [:] : shared.lineVectors.withLock { $0 } }

    /// Before the machine resumes: finds the vectors of caught inputs.
    func applyLineCatches() {
        let vectors = interruptController.vectors(ofCaught: wantedLines)
        shared.lineVectors.withLock { $0 = vectors }
    }

    /// The guest has changed a redirection entry: other handlers may have to be watched, by every vCPU.
    func follow(_ controllers: PCInterruptController) {
        guard catchesLines else { return }
        let vectors = controllers.vectors(of: wantedLines)
        let isNew = shared.lineVectors.withLock { old in
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

}

extension PCInterruptController {
    /// The vectors that the pins of inputs send, each with its input.
    func vectors(of lines: [Int]) -> [UInt8: Int] {
        var vectors: [UInt8: Int] = [:]
        for line in lines {
            guard let pin = pin(of: line) else { continue }
            let entry = ioapic.entries[pin]
            if entry.message.hasVector, entry.vector >= 16 { vectors[entry.vector] = line }
        }
        return vectors
    }
}
