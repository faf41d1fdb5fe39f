import Architecture
import Primitives
import RemoteProtocol

// Breakpoints and watchpoints: the table is what the client wants, the arrangement what the machine must arm for it.
extension Session {
    func insert(_ request: BreakpointRequest) throws(Refusal) {
        guard request.length >= 0, request.length <= 1 << 30 else {
            throw Refusal("\(request.length) bytes are too many")
        }
        let program = try BreakpointProgram(parsing: request.tail)
        let isNew = !breakpoints.contains(request)
        breakpoints.insert(request, program)
        do throws(Refusal) {
            try target.arrange(arrangement())
        } catch {
            if isNew { breakpoints.remove(request) }
            throw error
        }
        // An address that is not mapped yet is tried again at every resume.
        if isNew, request.kind == .software, plant(request.address) { rearrange() }
    }

    func remove(_ request: BreakpointRequest) throws(Refusal) {
        breakpoints.remove(request)
        if request.kind == .software, !breakpoints.has(.software, at: request.address) { lift(request.address) }
        try target.arrange(arrangement())
    }

    /// Tells the machine what is armed now. It accepted all of it before.
    func rearrange() { try? target.arrange(arrangement()) }

    /// Before the machine runs: plants what could not be planted before, and what the guest has overwritten since.
    func replant() {
        guard let instruction = target.traits.breakpointInstruction else { return }
        var changed = false
        for request in breakpoints.requests where request.kind == .software {
            if let entry = breakpoints.planted.first(where: { $0.address == request.address }) {
                var bytes = [UInt8](repeating: 0, count: instruction.count)
                if target.memory.read(entry.physical, into: &bytes), bytes == instruction,
                    (try? target.translate(request.address, on: selected).physical) == entry.physical
                {
                    continue
                }
                lift(request.address)
            }
            changed = plant(request.address) || changed
        }
        if changed { rearrange() }
    }

    private func arrangement() -> Arrangement {
        var result = Arrangement()
        result.planted = breakpoints.planted
        result.programs = breakpoints.programsByAddress
        let planting = target.traits.breakpointInstruction != nil
        for request in breakpoints.requests {
            switch request.kind {
            case .software: if !planting { result.execution.append(request.address) }
            case .hardware: result.execution.append(request.address)
            case .writeWatchpoint: result.watchpoints.append(watchpoint(request, .write))
            case .readWatchpoint: result.watchpoints.append(watchpoint(request, .read))
            case .accessWatchpoint: result.watchpoints.append(watchpoint(request, .readWrite))
            }
        }
        return result
    }

    private func watchpoint(_ request: BreakpointRequest, _ access: WatchAccess) -> Arrangement.Watchpoint {
        Arrangement.Watchpoint(address: request.address, count: max(1, request.length), access: access)
    }

    /// Replaces the instruction at `address`; false where there is nothing to replace, or planting is not the means.
    private func plant(_ address: VirtualAddress) -> Bool {
        guard let instruction = target.traits.breakpointInstruction,
            let physical = try? target.translate(address, on: selected).physical
        else { return false }
        if let shared = breakpoints.planted.first(where: { $0.physical == physical }) {
            breakpoints.record(Arrangement.Planted(address: address, physical: physical, original: shared.original))
            return true
        }
        var original = [UInt8](repeating: 0, count: instruction.count)
        guard target.memory.read(physical, into: &original), target.memory.write(physical, instruction[...]) else {
            return false
        }
        breakpoints.record(Arrangement.Planted(address: address, physical: physical, original: original))
        return true
    }

    /// Puts the guest's instruction back, unless another address still stops there or the guest has put one itself.
    private func lift(_ address: VirtualAddress) {
        guard let entry = breakpoints.planted.first(where: { $0.address == address }) else { return }
        breakpoints.forget(at: address)
        guard !breakpoints.planted.contains(where: { $0.physical == entry.physical }),
            let instruction = target.traits.breakpointInstruction
        else { return }
        var there = [UInt8](repeating: 0, count: instruction.count)
        if target.memory.read(entry.physical, into: &there), there == instruction {
            _ = target.memory.write(entry.physical, entry.original[...])
        }
    }
}
