import Primitives
import RemoteProtocol

/// The client's breakpoints and watchpoints, and the instructions replaced for them.
///
/// A breakpoint is planted from its insertion to its removal. What lies under it is kept in `planted`: reads are masked
/// and writes go to the kept bytes, so that no client ever sees one.
struct BreakpointTable {
    private struct Entry {
        /// Grows with each insertion.
        let order: Int
        var program: BreakpointProgram
    }

    private var entries: [BreakpointRequest: Entry] = [:]
    private var nextOrder = 0
    private var byAddress: [VirtualAddress: [BreakpointRequest]] = [:]
    /// Software breakpoints on one page.
    struct SoftwarePage {
        var addresses: Set<VirtualAddress> = []
        /// The physical page where all of them were planted, as far as is known.
        var frame: PhysicalAddress?
    }

    /// Software breakpoints by page number.
    private(set) var softwarePages: [UInt64: SoftwarePage] = [:]
    /// Addresses of software breakpoints.
    private(set) var softwareAddresses: Set<VirtualAddress> = []
    /// All that are no software breakpoints, in the order of their insertion.
    private(set) var hardware: [BreakpointRequest] = []
    /// By address, where at least one breakpoint has something to evaluate.
    private(set) var programs: [VirtualAddress: [BreakpointProgram]] = [:]
    var planted = PlantedTable()
    /// The machine does not know all that is planted (see `arrangeChanges`).
    var isArrangementStale = false

    /// Every one, in the order of insertion.
    var requests: [BreakpointRequest] {
        entries.sorted { $0.value.order < $1.value.order }.map(\.key)
    }

    /// Takes a request; one of the same kind, place and length is replaced, with what it wanted evaluated.
    mutating func insert(_ request: BreakpointRequest, _ program: BreakpointProgram) {
        let request = request.withoutTail
        let order = entries[request]?.order ?? nextOrder
        if order == nextOrder {
            nextOrder += 1
            byAddress[request.address, default: []].append(request)
            if request.kind == .software {
                let page = Self.page(request.address)
                softwarePages[page, default: SoftwarePage()].addresses.insert(request.address)
                softwarePages[page]!.frame = nil
                softwareAddresses.insert(request.address)
            } else {
                hardware.append(request)
            }
        }
        entries[request] = Entry(order: order, program: program)
        gatherPrograms(at: request.address)
    }

    mutating func remove(_ request: BreakpointRequest) {
        let request = request.withoutTail
        guard entries.removeValue(forKey: request) != nil else { return }
        byAddress[request.address]!.removeAll { $0 == request }
        if byAddress[request.address]!.isEmpty { byAddress[request.address] = nil }
        if request.kind != .software {
            hardware.removeAll { $0 == request }
        } else if !has(.software, at: request.address) {
            let page = Self.page(request.address)
            softwarePages[page]!.addresses.remove(request.address)
            softwareAddresses.remove(request.address)
            if softwarePages[page]!.addresses.isEmpty { softwarePages[page] = nil }
        }
        gatherPrograms(at: request.address)
    }

    /// Notes that all breakpoints of a page are planted in `frame`, or in no single one.
    mutating func setFrame(of page: UInt64, to frame: PhysicalAddress?) { softwarePages[page]?.frame = frame }

    func contains(_ request: BreakpointRequest) -> Bool { entries[request.withoutTail] != nil }

    func has(_ kind: BreakpointKind, at address: VirtualAddress) -> Bool {
        byAddress[address]?.contains { $0.kind == kind } ?? false
    }

    var isEmpty: Bool { entries.isEmpty }

    private mutating func gatherPrograms(at address: VirtualAddress) {
        let all = (byAddress[address] ?? []).compactMap { entries[$0]?.program }
        programs[address] = all.contains { $0 != BreakpointProgram() } ? all : nil
    }

    private static func page(_ address: VirtualAddress) -> UInt64 { address.rawValue >> PlantedTable.pageBits }
}

extension BreakpointRequest {
    /// What identifies it: a removal comes without conditions.
    fileprivate var withoutTail: BreakpointRequest { BreakpointRequest(kind, address, length: length) }
}
