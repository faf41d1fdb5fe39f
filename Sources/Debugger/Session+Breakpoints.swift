import Architecture
import Primitives
import RemoteProtocol

// Breakpoints and watchpoints: the table is what the client wants, the arrangement what the machine must arm for it.
extension Session {
    func insert(_ request: BreakpointRequest) throws(Refusal) {
        guard request.length >= 0, request.length <= 1 << 30 else {
            throw Refusal("\(request.length) bytes are too many")
        }
        guard request.length > 0 || !request.kind.isWatchpoint else { throw Refusal("nothing cannot be watched") }
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
        if isNew, plants(request), !breakpoints.isPlanted(at: request.address), plant(request.address) { rearrange() }
    }

    func remove(_ request: BreakpointRequest) throws(Refusal) {
        breakpoints.remove(request)
        if !breakpoints.requests.contains(where: { $0.address == request.address && plants($0) }) {
            lift(request.address)
        }
        try target.arrange(arrangement())
    }

    /// Tells the machine what is armed now. It accepted all of it before.
    func rearrange() { try? target.arrange(arrangement()) }

    /// Before the machine runs: plants what could not be planted before, and what the guest has overwritten since.
    func replant() {
        guard let instruction = target.traits.breakpointInstruction else { return }
        let addresses = breakpoints.requests.filter(plants).map(\.address)
        let stale = addresses.filter { breakpoints.isPlanted(at: $0) && !stands(at: $0, instruction) }
        // All of them before any is planted again: several addresses may share a place.
        for address in stale { lift(address) }
        var changed = !stale.isEmpty
        for address in addresses where !breakpoints.isPlanted(at: address) { changed = plant(address) || changed }
        if changed { rearrange() }
    }

    /// Whether what was planted for `address` is still there, and `address` still leads to it.
    private func stands(at address: VirtualAddress, _ instruction: [UInt8]) -> Bool {
        guard let entry = breakpoints.planted.first(where: { $0.address == address }) else { return false }
        var bytes = [UInt8](repeating: 0, count: instruction.count)
        return target.memory.read(entry.physical, into: &bytes) && bytes == instruction
            && places(of: address).contains(entry.physical)
    }

    /// Whether an instruction is replaced for it: also for a hardware breakpoint where the host's debug registers see
    /// nothing of user mode, and the address is there.
    private func plants(_ request: BreakpointRequest) -> Bool {
        switch request.kind {
        case .software: true
        case .hardware: target.traits.plantsInUserPages && leadsToUserPage(request.address)
        case .writeWatchpoint, .readWatchpoint, .accessWatchpoint: false
        }
    }

    private func leadsToUserPage(_ address: VirtualAddress) -> Bool {
        (0..<target.traits.processorCount).contains { processor in
            guard let found = try? target.translate(address, on: processor) else { return false }
            return found.isPaged && found.isUser
        }
    }

    /// Where `address` leads: by the selected vCPU's tables first, then by the others'. A vCPU that waits for its
    /// start-up interrupt has none, and comes last.
    private func places(of address: VirtualAddress) -> [PhysicalAddress] {
        let others = (0..<target.traits.processorCount).filter { $0 != selected }
        let found = ([selected] + others).compactMap { try? target.translate(address, on: $0) }
        return (found.filter(\.isPaged) + found.filter { !$0.isPaged }).map(\.physical)
    }

    func arrangement() -> Arrangement {
        var result = Arrangement()
        result.planted = breakpoints.planted
        result.programs = breakpoints.programsByAddress
        result.catches = catches
        result.stepsHoldInterrupts = stepMask.contains(.withoutInterrupts)
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
        Arrangement.Watchpoint(address: request.address, count: request.length, access: access)
    }

    /// Replaces the instruction at `address`; false where there is nothing to replace, or planting is not the means.
    private func plant(_ address: VirtualAddress) -> Bool {
        guard let instruction = target.traits.breakpointInstruction, let physical = places(of: address).first else {
            return false
        }
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

extension BreakpointKind {
    fileprivate var isWatchpoint: Bool {
        switch self {
        case .software, .hardware: false
        case .writeWatchpoint, .readWatchpoint, .accessWatchpoint: true
        }
    }
}
