import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

// Hidden breakpoints on the guest's own exception handlers: kept where its interrupt table points, and what it means
// when one is reached. They serve `monitor catch exception`, and hosts whose KVM debugs kernel mode only.
extension Processor {
    /// The exceptions that must be seen now.
    private func watchedVectors(_ stepping: Stepping) -> Set<UInt8> {
        var vectors = stepping.endsInHandler ? ExceptionVector.exceptions : []
        vectors.formUnion(machine.caughtVectors)
        let capabilities = machine.capabilities
        if let event = delivery.caught { vectors.insert(event.vector) }
        vectors.formUnion(machine.caughtLines.keys)
        // Nothing leaves user mode before there is a task state segment.
        guard X86.mode(registers) != .real, X86.taskSelector(registers) & ~3 != 0 else { return vectors }
        if let vector = capabilities.userTrapVector, machine.plants || stepping.destination != nil {
            vectors.insert(vector.rawValue)
        }
        if x86.hasStrayTrapFlag { vectors.insert(ExceptionVector.debug.rawValue) }
        // A step or pass ends where the instruction's fault arrives.
        if stepping.trapStep != nil { vectors.formUnion(ExceptionVector.exceptions) }
        if !capabilities.userInterrupts { vectors.insert(ExceptionVector.invalidOpcode.rawValue) }
        if !capabilities.userSystemCalls { vectors.insert(ExceptionVector.pageFault.rawValue) }
        return vectors
    }

    /// Follows the guest's interrupt table: called before each entry, with the registers of the last exit.
    func watchInterruptTable(_ stepping: Stepping) throws(KVMError) {
        guard
            machine.watchesHandlers || delivery.caught != nil || stepping.trapStep != nil || x86.hasStrayTrapFlag
                || stepping.endsInHandler
                || !breakpoints.handlers.source.vectors.isEmpty
        else { return }
        // Those that were just stored are the newest.
        if !sync.isPageStale { try fetchRegisters() }
        var source = HandlerWatch.Source()
        source.vectors = watchedVectors(stepping)
        if let last = source.vectors.max() {
            source.table = interruptTable
            // One more than those watched: what a missing gate makes of them.
            let highest = max(last, ExceptionVector.generalProtection.rawValue)
            let size = min((Int(highest) + 1) * source.table.mode.entrySize, Int(source.table.limit) + 1)
            source.bytes = machine.instruction(at: source.table.base, count: size, seenBy: self)
        }
        guard source != breakpoints.handlers.source else { return }
        breakpoints.handlers.source = source
        breakpoints.handlers.entries = HandlerWatch.entries(of: source, descriptor: descriptor)
        place(Set(breakpoints.handlers.entries.map(\.address)))
    }

    /// Watches `addresses`: by debug registers that clients leave free, one of them kept for steps, then by planting.
    private func place(_ addresses: Set<VirtualAddress>) {
        let level = X86.mode(registers) == .real ? machine.capabilities.real : machine.capabilities.kernel
        let canPlant = machine.capabilities.trap(in: level) != nil
        let free = machine.debugRegisters.free - (canPlant ? 1 : 0)
        // Where there are too few debug registers and nothing can be planted, the common faults come first.
        let common = Set(breakpoints.handlers.entries.filter { $0.isCommon }.map(\.address))
        let sorted = common.sorted() + addresses.subtracting(common).sorted()
        breakpoints.handlers.slots = Array(sorted.prefix(max(0, free)))
        let rest = canPlant ? sorted.dropFirst(max(0, free)) : []
        machine.hidden.set(
            Set(rest.compactMap { machine.physical($0, seenBy: self) }), for: index, .handlers)
    }

    /// Watches nothing, and forgets what steps left behind: for a reset.
    func forgetHandlers() {
        breakpoints.handlers = HandlerWatch()
        machine.hidden.set([], for: index, .handlers)
        x86.reset()
        loop.lastHalt = nil
    }

    func isHandler(_ place: VirtualAddress) -> Bool {
        breakpoints.handlers.slots.contains(place) || breakpoints.handlers.entries.contains { $0.address == place }
    }

    var interruptTable: InterruptTable {
        let (base, limit) = X86.interruptTable(registers)
        let mode: InterruptGate.Mode =
            switch X86.mode(registers) {
            case .real: .real
            case .long, .compatibility: .long
            case .virtual8086, .protected16, .protected32: .protected
            }
        return InterruptTable(base: base, limit: limit, mode: mode)
    }

    /// The 8 bytes in the GDT that a selector names.
    func descriptor(_ selector: UInt16) -> UInt64? {
        let (base, limit) = X86.descriptorTable(registers)
        let offset = Int(selector & ~7)
        guard selector & 4 == 0, selector & ~3 != 0, offset + 7 <= Int(limit),
            let bytes = read(base + offset, count: 8)
        else { return nil }
        return bytes.number(at: 0, count: 8)
    }

    /// Guest memory by linear address, or nil where not all of it is mapped.
    func read(_ address: VirtualAddress, count: Int) -> [UInt8]? {
        let bytes = machine.instruction(at: address, count: count, seenBy: self)
        return bytes.count == count ? bytes : nil
    }

    // MARK: - One is reached

    /// What standing on a handler's first instruction means; nil where `place` is none.
    func reachedHandler(_ place: VirtualAddress) throws(KVMError) -> Outcome? {
        let entries = breakpoints.handlers.entries.filter { $0.address == place }
        guard !entries.isEmpty, place != stepping.destination?.start || !machine.hasBreakpoint(at: place) else {
            return nil
        }
        try fetchRegisters()
        var caught: StopEvent?
        var landing: Outcome?
        if let event = delivery.caught, entries.contains(where: { $0.vector == event.vector }) {
            delivery.caught = nil
            caught = tell(of: event)
        }
        for entry in entries {
            let frame = X86InterruptFrame(
                at: X86.stackTop(registers), wordSize: entry.wordSize, hasErrorCode: entry.hasErrorCode,
                read: { self.read($0, count: $1) })
            guard let frame else { continue }
            if let expected = entry.errorCode, let code = frame.errorCode, code | 1 != expected | 1 { continue }
            if frame.isUser {
                if let outcome = try tookBack(entry.vector, frame) { return outcome }
                landing = landing ?? endTrapStep(inHandlerWith: frame)
            }
            if let line = machine.caughtLines[entry.vector], try vcpu.lastInterrupt() == entry.vector {
                let text = "vCPU \(index): interrupt \(line) (vector \(hexadecimal(entry.vector))) reached its handler"
                caught = caught ?? StopEvent(.caught, on: index, explanation: text)
            }
            if entry.vector == entry.arrivesAs, machine.caughtVectors.contains(entry.vector) {
                caught = caught ?? StopEvent(.caught, on: index, explanation: explanation(of: entry, frame))
            }
        }
        if let outcome = caught.map(Outcome.stop) ?? landing { return outcome }
        if machine.hasBreakpoint(at: place) {
            return .stop(StopEvent(.breakpoint(place), on: index))
        }
        return .pass
    }

    private func explanation(of entry: HandlerWatch.Entry, _ frame: X86InterruptFrame) -> String {
        let vector = ExceptionVector(entry.vector)
        let level = entry.wordSize == 2 ? X86.Mode.real.name : "CPL\(frame.codeSelector & 3)"
        var text = "vCPU \(index) takes \(vector) at "
        text += "\(hexadecimal(frame.codeSelector)):\(hexadecimal(frame.instructionOffset)), \(level)"
        if let code = frame.errorCode {
            let words =
                vector == .pageFault
                ? "\(PageFaultErrorCode(rawValue: code))" : "\(SelectorErrorCode(rawValue: code))"
            text += "; error code \(hexadecimal(code)): \(words)"
        }
        if vector == .pageFault { text += "; CR2 \(X86.faultAddress(registers))" }
        return text
    }
}
