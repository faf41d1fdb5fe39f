import Architecture
import Primitives
import RemoteProtocol

// Breakpoints and watchpoints: the table is what the client wants, the arrangement what the machine must arm for it.
extension Session {
    func insert(_ request: BreakpointRequest) throws(Refusal) {
        guard request.length >= 0, request.length <= 1 << 30 else {
            throw Refusal("\(request.length) bytes are too many")
        }
        guard request.length > 0 || watchpoint(request) == nil else { throw Refusal("nothing cannot be watched") }
        if watchpoint(request) != nil, request.address.rawValue > .max - UInt64(request.length - 1) {
            throw Refusal("\(request.length) bytes at \(request.address) go beyond the last address")
        }
        let alignment = UInt64(layout.architecture.instructionAlignment)
        guard watchpoint(request) != nil || request.address.rawValue % alignment == 0 else {
            throw Refusal("no instruction is at \(request.address): they begin at multiples of \(alignment)")
        }
        let program = try BreakpointProgram(parsing: request.tail)
        let isNew = !breakpoints.contains(request)
        breakpoints.insert(request, program)
        breakpoints.isArrangementStale = true
        guard request.kind == .software, let instruction = target.traits.breakpointInstruction else {
            do throws(Refusal) { try arrange() } catch {
                if isNew { breakpoints.remove(request) }
                throw error
            }
            return plantInUserPage(request)
        }
        // An address that is not mapped yet is tried again at every resume.
        guard !breakpoints.planted.contains(request.address) else { return }
        if let place = places(of: request.address).first { _ = plant(request.address, instruction, at: place) }
    }

    func remove(_ request: BreakpointRequest) throws(Refusal) {
        breakpoints.remove(request)
        breakpoints.isArrangementStale = true
        if !isPlantWanted(at: request.address) { lift(request.address) }
        guard request.kind == .software else { return try arrange() }
        if target.traits.breakpointInstruction == nil { try arrange() }
    }

    /// The client is gone: nothing of its stays armed.
    func removeAll() {
        for entry in breakpoints.planted.all { lift(entry.address) }
        breakpoints = BreakpointTable()
        breakpoints.isArrangementStale = true
    }

    /// Gives the machine what is armed now, which it may refuse: what needs debug registers or pages.
    private func arrange() throws(Refusal) {
        try target.arrange(arrangement())
        breakpoints.isArrangementStale = false
    }

    /// Gives the machine what is armed now. It accepted all of it before.
    func rearrange() { try? arrange() }

    /// Gives the machine what changed since the last time. Planting alone need not be reported before the machine runs, so
    /// that a thousand breakpoints are not a thousand reports.
    package func arrangeChanges() {
        if breakpoints.isArrangementStale { try? arrange() }
    }

    /// Before the machine runs: plants what could not be planted before, and what the guest has overwritten since.
    func replant() {
        guard let instruction = target.traits.breakpointInstruction else { return }
        var moved: [(page: UInt64, frames: [PhysicalAddress])] = []
        var bytes = [UInt8](repeating: 0, count: 1 << PlantedTable.pageBits)
        for (number, page) in breakpoints.softwarePages {
            let frames = places(of: VirtualAddress(number << PlantedTable.pageBits))
            if let frame = page.frame, frames.contains(frame), target.memory.read(frame, into: &bytes),
                page.addresses.allSatisfy({ Self.stands(instruction, at: $0, in: bytes) })
            {
                continue
            }
            moved.append((number, frames))
        }
        // All that are stale before any is planted again: several addresses may share a place.
        for (number, frames) in moved { liftStale(on: number, frames, instruction) }
        for (number, frames) in moved { plant(on: number, frames, instruction) }
        for request in breakpoints.hardware { plantInUserPage(request) }
    }

    private static let offsetMask: UInt64 = 1 << PlantedTable.pageBits - 1

    /// Whether `bytes`, those of a page, have the instruction where `address` is.
    private static func stands(_ instruction: [UInt8], at address: VirtualAddress, in bytes: [UInt8]) -> Bool {
        let offset = Int(address.rawValue & offsetMask)
        return bytes.count - offset >= instruction.count
            && instruction.indices.allSatisfy { bytes[offset + $0] == instruction[$0] }
    }

    /// Lifts what was planted on a page and has been overwritten, or where its address leads no more.
    private func liftStale(on page: UInt64, _ frames: [PhysicalAddress], _ instruction: [UInt8]) {
        var there = [UInt8](repeating: 0, count: instruction.count)
        for address in breakpoints.softwarePages[page]?.addresses ?? [] {
            guard let entry = breakpoints.planted[address] else { continue }
            let frame = PhysicalAddress(entry.physical.rawValue & ~Self.offsetMask)
            let stands = target.memory.read(entry.physical, into: &there) && there == instruction
            if stands, frames.contains(frame) { continue }
            if stands, !frames.isEmpty, target.keep(entry.physical, original: entry.original, for: address) {
                _ = breakpoints.planted.forget(address)
            } else {
                lift(address)
            }
            breakpoints.isArrangementStale = true
        }
    }

    /// Plants what is not planted on a page that leads to `frames`.
    private func plant(on page: UInt64, _ frames: [PhysicalAddress], _ instruction: [UInt8]) {
        guard let first = frames.first else { return }
        var isWhole = true
        for address in breakpoints.softwarePages[page]?.addresses ?? [] {
            let place = first + Int(address.rawValue & Self.offsetMask)
            if let entry = breakpoints.planted[address] {
                isWhole = isWhole && entry.physical == place
            } else if plant(address, instruction, at: place) {
                breakpoints.isArrangementStale = true
            } else {
                isWhole = false
            }
        }
        breakpoints.setFrame(of: page, to: isWhole ? first : nil)
    }

    private func isPlantWanted(at address: VirtualAddress) -> Bool {
        if breakpoints.has(.software, at: address) { return true }
        return target.traits.plantsInUserPages && breakpoints.has(.hardware, at: address) && leadsToUserPage(address)
    }

    /// Plants for a hardware breakpoint too where the host's debug registers see nothing of user mode, and the address
    /// is there.
    private func plantInUserPage(_ request: BreakpointRequest) {
        guard request.kind == .hardware, target.traits.plantsInUserPages,
            let instruction = target.traits.breakpointInstruction
        else { return }
        let address = request.address
        let place = leadsToUserPage(address) ? places(of: address).first : nil
        if let entry = breakpoints.planted[address] {
            var there = [UInt8](repeating: 0, count: instruction.count)
            if entry.physical == place, target.memory.read(entry.physical, into: &there), there == instruction {
                return
            }
            if breakpoints.has(.software, at: address) { return }
            lift(address)
            breakpoints.isArrangementStale = true
        }
        if let place, plant(address, instruction, at: place) { breakpoints.isArrangementStale = true }
    }

    private func leadsToUserPage(_ address: VirtualAddress) -> Bool {
        (0..<processorCount).contains { processor in
            guard let found = try? target.translate(address, on: processor) else { return false }
            return found.isPaged && found.isUser
        }
    }

    /// Where `address` leads: by the selected vCPU's tables first, then by the others'. A vCPU that waits for its
    /// start-up interrupt has none, and comes last.
    private func places(of address: VirtualAddress) -> [PhysicalAddress] {
        let others = (0..<processorCount).filter { $0 != selected }
        let found = ([selected] + others).compactMap { try? target.translate(address, on: $0) }
        return (found.filter(\.isPaged) + found.filter { !$0.isPaged }).map(\.physical)
    }

    func arrangement() -> Arrangement {
        var result = Arrangement()
        result.planted = breakpoints.planted
        result.programs = breakpoints.programs
        result.catches = catches.all
        result.stepsHoldInterrupts = client.stepMask.contains(.withoutInterrupts)
        if target.traits.breakpointInstruction == nil {
            result.execution = breakpoints.softwareAddresses.sorted()
        } else {
            result.software = breakpoints.softwareAddresses
        }
        for request in breakpoints.hardware {
            if let watchpoint = watchpoint(request) {
                result.watchpoints.append(watchpoint)
            } else {
                result.execution.append(request.address)
            }
        }
        return result
    }

    /// What a request means to the machine, where it is no breakpoint.
    func watchpoint(_ request: BreakpointRequest) -> Arrangement.Watchpoint? {
        let access: WatchAccess
        switch request.kind {
        case .software, .hardware: return nil
        case .writeWatchpoint: access = .write
        case .readWatchpoint: access = .read
        case .accessWatchpoint: access = .readWrite
        }
        return Arrangement.Watchpoint(address: request.address, count: request.length, access: access)
    }

    /// Replaces the instruction at `place`, where `address` leads; false where there is nothing to replace.
    private func plant(_ address: VirtualAddress, _ instruction: [UInt8], at place: PhysicalAddress) -> Bool {
        if let original = breakpoints.planted.original(at: place) {
            breakpoints.planted.record(address, at: place, original: original)
            return true
        }
        var original = [UInt8](repeating: 0, count: instruction.count)
        guard target.memory.read(place, into: &original), target.memory.write(place, instruction[...]) else {
            return false
        }
        breakpoints.planted.record(address, at: place, original: original)
        return true
    }

    /// Puts the guest's instruction back, unless another address still stops there or the guest has put one itself.
    private func lift(_ address: VirtualAddress) {
        guard let (place, original) = breakpoints.planted.forget(address),
            let instruction = target.traits.breakpointInstruction
        else { return }
        var there = [UInt8](repeating: 0, count: instruction.count)
        if target.memory.read(place, into: &there), there == instruction {
            _ = target.memory.write(place, original[...])
        }
    }
}
