import Primitives
import RemoteProtocol

/// The client's breakpoints and watchpoints, and the instructions replaced for them.
///
/// A breakpoint is planted from its insertion to its removal. What lies under it is kept here: reads are masked and
/// writes go to the kept bytes, so that no client ever sees one.
struct BreakpointTable {
    private(set) var requests: [BreakpointRequest] = []
    /// What is evaluated at the breakpoints that have conditions or commands.
    private(set) var programs: [BreakpointRequest: BreakpointProgram] = [:]
    private(set) var planted: [Arrangement.Planted] = []

    /// Takes a request; one of the same kind, place and length is replaced, with what it wanted evaluated.
    mutating func insert(_ request: BreakpointRequest, _ program: BreakpointProgram) {
        let request = request.withoutTail
        if !requests.contains(request) { requests.append(request) }
        programs[request] = program
    }

    mutating func remove(_ request: BreakpointRequest) {
        let request = request.withoutTail
        requests.removeAll { $0 == request }
        programs[request] = nil
    }

    func contains(_ request: BreakpointRequest) -> Bool { requests.contains(request.withoutTail) }

    /// By address, where at least one breakpoint has something to evaluate.
    var programsByAddress: [VirtualAddress: [BreakpointProgram]] {
        let evaluated = Set(programs.filter { $0.value != BreakpointProgram() }.map(\.key.address))
        return Dictionary(grouping: programs.filter { evaluated.contains($0.key.address) }, by: \.key.address)
            .mapValues { $0.map(\.value) }
    }

    func has(_ kind: BreakpointKind, at address: VirtualAddress) -> Bool {
        requests.contains { $0.kind == kind && $0.address == address }
    }

    func isPlanted(at address: VirtualAddress) -> Bool { planted.contains { $0.address == address } }

    mutating func record(_ entry: Arrangement.Planted) { planted.append(entry) }

    mutating func forget(at address: VirtualAddress) { planted.removeAll { $0.address == address } }

    /// Puts the guest's own bytes over those of `instruction` planted in `bytes`, which were read from `start`. What
    /// the guest has written over a planted one is its own already.
    func mask(_ bytes: inout [UInt8], readFrom start: PhysicalAddress, planting instruction: [UInt8]) {
        for entry in planted {
            eachOverlap(of: entry, start, bytes.count) { inside, place in
                if bytes[inside] == instruction[place] { bytes[inside] = entry.original[place] }
            }
        }
    }

    /// Makes a write of `bytes` to `start` go around what is planted: the bytes under it are kept here instead.
    mutating func divert(_ bytes: inout [UInt8], writtenTo start: PhysicalAddress, planting instruction: [UInt8]) {
        // Two addresses of one place each keep what was written, not what the first of them put there.
        let written = bytes
        for i in planted.indices {
            var original = planted[i].original
            eachOverlap(of: planted[i], start, bytes.count) { inside, place in
                original[place] = written[inside]
                bytes[inside] = instruction[place]
            }
            planted[i].original = original
        }
    }

    private func eachOverlap(
        of entry: Arrangement.Planted, _ start: PhysicalAddress, _ count: Int, _ body: (Int, Int) -> Void
    ) {
        for place in entry.original.indices {
            let distance = entry.physical.rawValue &+ UInt64(place) &- start.rawValue
            if distance < UInt64(count) { body(Int(distance), place) }
        }
    }
}

extension BreakpointRequest {
    /// What identifies it: a removal comes without conditions.
    fileprivate var withoutTail: BreakpointRequest { BreakpointRequest(kind, address, length: length) }
}
