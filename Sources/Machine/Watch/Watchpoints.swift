import Architecture
import Debugger
import Host
import KVM
import Primitives

// Watchpoints by pages: where they lie, how their pages are trapped, and what cannot be.

/// Watchpoints that no debug register serves, and how their pages are trapped.
struct PageTraps {
    var watchpoints: [Arrangement.Watchpoint] = []
    /// Where they were at the last resume (see `applyTraps`).
    var watch = PageWatch()
    /// Changed by vCPU threads too, each while no other vCPU runs.
    var slots = MemorySlots()
    /// Watched pages that processors read by themselves.
    var structural: Set<UInt64> = []
    /// Pages that instructions were fetched from while they were taken away.
    var codePages: Set<UInt64> = []
    /// Watched pages whose reads, or whose accesses, go unseen until the next resume: the guest could not continue.
    var relaxedPages: Set<UInt64> = []
    var releasedPages: Set<UInt64> = []
}

extension VirtualMachine {
    /// Makes sure that `watchpoint`, which no debug register serves, can be served by pages.
    func admit(_ watchpoint: Arrangement.Watchpoint) throws(Refusal) {
        let slotCount = X86DebugRegisters.slotCount
        let needsReads = watchpoint.access != .write
        guard needsReads ? capabilities.removedMemoryExits : capabilities.trapsWrites else {
            throw Refusal(
                capabilities.kernel.dataBreakpoint
                    ? "all \(slotCount) debug registers are in use, and this host's KVM offers nothing else for "
                        + (needsReads ? "reads" : "writes")
                    : "this host's KVM has no working data breakpoints, and nothing else for "
                        + (needsReads ? "reads" : "writes"))
        }
        let (found, parts) = resolve(watchpoint)
        if let outside = found.outside { throw Refusal("cannot watch: physical \(outside) is not memory") }
        guard needsReads else { return }
        let used = structuralPages()
        let pages = parts.lazy.flatMap { PageWatch.pages(of: $0.range) }
        if let page = pages.first(where: used.contains) {
            throw Refusal(
                "cannot watch reads: the page at physical \(PhysicalAddress(page)) holds page tables, descriptor "
                    + "tables or a stack in use, which the processor must be able to read; writes can be watched")
        }
    }

    /// Before the machine runs: finds out where the watchpoints lie now, and traps their pages.
    func applyTraps() {
        guard !x86.pageTraps.watchpoints.isEmpty || !x86.pageTraps.slots.trapped.isEmpty else { return }
        x86.pageTraps.relaxedPages = []
        x86.pageTraps.releasedPages = []
        // KVM emulates accesses to trapped pages, which debug registers do not see: their watchpoints are looked for, too.
        x86.pageTraps.watch = PageWatch(
            arrangement.watchpoints.map { watchpoint in
                let (found, parts) = resolve(watchpoint)
                return (watchpoint, found, parts)
            }, trapping: Set(x86.pageTraps.watchpoints))
        x86.pageTraps.structural =
            x86.pageTraps.watch.pages.contains { needsRemoval($0.value) } ? structuralPages() : []
        trapPages()
    }

    /// Makes KVM's slots what the watched pages need, but for those `without`. Only while no vCPU runs.
    func trapPages(without open: Set<UInt64> = []) {
        var pages: [UInt64: PageTrap] = [:]
        for (page, wanted) in x86.pageTraps.watch.pages where !open.contains(page) { pages[page] = trap(page, wanted) }
        guard pages != x86.pageTraps.slots.trapped else { return }
        do throws(KVMError) { try x86.pageTraps.slots.set(trapping: pages, of: guestMemory, in: vm) } catch {
            diagnose(.watchpoint, "watchpoints may not work: \(error)")
        }
    }

    /// How a watched page is to be trapped now.
    private func trap(_ page: UInt64, _ wanted: (reads: Bool, writes: Bool)) -> PageTrap? {
        if x86.pageTraps.releasedPages.contains(page) { return nil }
        let removed =
            needsRemoval(wanted) && !x86.pageTraps.structural.contains(page)
            && !x86.pageTraps.relaxedPages.contains(page)
        // Writes to a page that holds code are trapped without taking the code away.
        if removed, wanted.reads || !x86.pageTraps.codePages.contains(page) { return .removed }
        return wanted.writes && capabilities.readOnlyMemoryExits ? .readOnly : nil
    }

    /// Whether a page must be taken away altogether: for its reads; and for its writes where there are several
    /// processors, since an atomic instruction on a read-only page is not atomic: KVM reads by itself, and only then
    /// exits with what is to be written.
    private func needsRemoval(_ wanted: (reads: Bool, writes: Bool)) -> Bool {
        guard capabilities.removedMemoryExits else { return false }
        return wanted.reads || processors.count > 1 || !capabilities.readOnlyMemoryExits
    }

    /// Where a watchpoint lies, by the tables of each vCPU that has any.
    func resolve(_ watchpoint: Arrangement.Watchpoint) -> (PageWatch.Found, [PageWatch.Part]) {
        var found = PageWatch.Found()
        var parts: [PageWatch.Part] = []
        for paging in pagings {
            var own: [PageWatch.Part] = []
            var (next, rest) = (watchpoint.address, UInt64(watchpoint.count))
            while rest > 0 {
                let part: UInt64
                do throws(TranslationFault) {
                    let there = try paging.translate(next, in: guestMemory)
                    part = min(rest, there.pageSize - next.rawValue & (there.pageSize - 1))
                    let range = there.physical.upTo(Int(part))
                    if !guestMemory.contains(range.lowerBound, count: Int(part)) {
                        found.outside = found.outside ?? range.lowerBound
                        found.isWaiting = true
                    } else if let last = own.last, last.range.upperBound == range.lowerBound,
                        last.end == next
                    {
                        own[own.count - 1].range = last.range.lowerBound..<range.upperBound
                    } else {
                        own.append(PageWatch.Part(address: next, range: range))
                    }
                } catch {
                    part = min(rest, error.span &- next.rawValue & (error.span &- 1))
                    found.isWaiting = true
                }
                next = next + Int(part)
                rest -= part
            }
            parts += own.filter { !parts.contains($0) }
        }
        found.ranges = parts.map(\.range)
        return (found, parts)
    }

    /// Each way of paging in use once; those that wait for a start-up interrupt have none.
    private var pagings: [X86Paging] {
        var all: [X86Paging] = []
        for processor in processors {
            let paging = X86.paging(processor.registers)
            if !all.contains(paging) { all.append(paging) }
        }
        let paged = all.filter(\.isOn)
        return paged.isEmpty ? [all[0]] : paged
    }

    /// Pages that processors read by themselves and that must not be taken away: page tables, descriptor tables, task
    /// states; and stacks, where the processor delivers events on them by itself. As they are now: the guest may make
    /// others while it runs.
    private func structuralPages() -> Set<UInt64> {
        var pages: Set<UInt64> = []
        for paging in pagings { pages.formUnion(paging.tablePages(in: guestMemory)) }
        for processor in processors {
            let paging = X86.paging(processor.registers)
            if !capabilities.emulatesKernelMode {
                let top = X86.stackTop(processor.registers)
                for place in [top + -1, top + -64] {
                    guard let there = try? paging.translate(place, in: guestMemory).physical else { continue }
                    pages.insert(MemorySlots.page(of: there.rawValue))
                }
            }
            for table in X86.systemTables(processor.registers) {
                for page in table.pages(of: MemorySlots.pageSize) {
                    let there = try? paging.translate(page, in: guestMemory).physical
                    if let there { pages.insert(MemorySlots.page(of: there.rawValue)) }
                }
            }
        }
        return pages
    }

    // MARK: - What the client sees

    /// How a watchpoint works now, how often it was hit, and what else it cost.
    func describe(_ watchpoint: Arrangement.Watchpoint) -> String {
        let hits = processors.reduce(0) { $0 + ($1.counts.hits.watchpoints[watchpoint] ?? 0) }
        if let numbers = watchpointRegisters(of: watchpoint) {
            return "watchpoint register \(numbers.map { "\($0)" }.joined(separator: ", ")), hit \(hits)"
        }
        guard let found = x86.pageTraps.watch.found[watchpoint], x86.pageTraps.watchpoints.contains(watchpoint) else {
            let numbers = x86.debugRegisters.slots.indices.filter {
                watchpoint.contains(x86.debugRegisters.slots[$0].address)
            }
            if !numbers.isEmpty, !x86.pageTraps.watchpoints.contains(watchpoint) {
                let list = numbers.map { "\($0)" }.joined(separator: ", ")
                return "debug register \(list), hit \(hits)"
            }
            return "pages, from the next resume on"
        }
        let pages = Set(found.ranges.flatMap { PageWatch.pages(of: $0) })
        let exits = processors.reduce(0) { sum, processor in
            sum + pages.reduce(0) { $0 + (processor.counts.hits.pages[$1] ?? 0) }
        }
        let kinds = Dictionary(grouping: pages) { x86.pageTraps.slots.trapped[$0] }
        let names: [(PageTrap?, String)] = [(.readOnly, "read-only"), (.removed, "removed"), (nil, "open")]
        var means = names.compactMap { kind, name in kinds[kind].map { count(name, $0.count) } }
        if found.isWaiting { means.append("waiting for \(pages.isEmpty ? "it" : "the rest") to be mapped") }
        if watchpoint.access != .write, kinds[.readOnly] != nil { means.append("whose reads go unseen") }
        return (means + ["hit \(hits)", "\(exits - min(hits, exits)) other exits"]).joined(separator: ", ")
    }

    private func count(_ name: String, _ number: Int) -> String {
        number == 1 ? "\(name) page" : "\(number) \(name) pages"
    }

    /// How the breakpoint at an address works, and how often it was hit.
    func describe(breakpointAt address: VirtualAddress) -> String {
        let (hits, passed) = processors.reduce((0, 0)) { sum, processor in
            let own = processor.counts.hits.breakpoints[address] ?? HitCounts.Breakpoint()
            return (sum.0 + own.hits, sum.1 + own.passed)
        }
        var means = ""
        if arrangement.execution.contains(address) {
            if let register = breakpointRegister(of: address) { means = register + ", " }
        }
        return means + "hit \(hits)" + (passed > 0 ? ", \(passed) of them without a stop" : "") + care(for: address)
    }

    /// What makes a planted breakpoint hold where the guest writes over it, or maps the address elsewhere.
    private func care(for address: VirtualAddress) -> String {
        guard canAdoptCopies, hasBreakpoint(at: address) else { return "" }
        let isSoftware = arrangement.software.contains(address)
        let register = x86.debugRegisters.slots.firstIndex { $0.access == .execute && $0.address == address }
        let other = shared.copies.withLock { $0.values.count { $0 == address } }
        var words = isSoftware ? register.map { ", also in debug register \($0)" } ?? "" : ""
        if other > 0 { words += ", also planted in \(other) more place\(other == 1 ? "" : "s") for other page tables" }
        if x86.copies.followed.contains(address) {
            words += ", looked after every \(HaltWatch.Interval.following.rawValue) ms"
            if register != nil { words += " for user mode" }
        }
        return words
    }
}

/// What a vCPU met of the client's breakpoints and watchpoints.
struct HitCounts: Sendable {
    struct Breakpoint: Sendable {
        var hits = 0
        /// Those that did not stop: a condition was false, or commands went on.
        var passed = 0
    }

    var breakpoints: [VirtualAddress: Breakpoint] = [:]
    var watchpoints: [Arrangement.Watchpoint: Int] = [:]
    /// Exits for an access to a trapped page, by its first address.
    var pages: [UInt64: Int] = [:]
}
