import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

// What cannot be done while a watched page is trapped: an instruction on a page that was taken away is not fetched, some
// instructions KVM does not emulate for memory that is none, and an event is not delivered through a stack that cannot
// be written. Each of these ends KVM_RUN with the guest's state as it was before. So the page is put back, the vCPU
// steps once while no other runs, and the page is trapped again.
extension Processor {
    /// Tries again without the traps that may have made the guest fail; nil where they cannot have.
    func retry(_ exit: Exit) throws(KVMError) -> Outcome? {
        guard !stepping.isRetry, !machine.x86.pageTraps.slots.trapped.isEmpty else { return nil }
        try fetchRegisters()
        let place = programCounter
        let bytes = machine.instruction(at: place, seenBy: self)
        let failedDelivery = exit == .shutdown || exit.isFailedDelivery
        // SVM resets a processor that shut down: nothing is left to be tried again.
        if failedDelivery, X86.mode(registers) == .real, place.rawValue >= 0xffff_0000 { return nil }
        let code = trappedPages([place, place + max(bytes.count - 1, 0)])
        if !failedDelivery {
            if machine.isPlanted(at: place, seenBy: self), breakpoints.lifted != place { return nil }
            // An interrupt instruction is not emulated anyway, on some hosts, and completed here.
            let isInterrupt = X86InterruptInstruction(bytes, registers) != nil || X86Instruction(bytes) == .halt
            if code.isEmpty, isInterrupt, !hasTrappedStack() { return nil }
        }
        return try whileOthersWait { () throws(KVMError) in
            if !code.isEmpty, keepsCode(code) { return .goOn }
            return try stepWithout(failedDelivery ? [] : code, instruction: bytes, after: exit)
        }
    }

    /// Finishes an instruction that KVM cannot do while the page of `address` is trapped, and exits for without end.
    func retryStuck(at address: PhysicalAddress) throws(KVMError) -> Outcome {
        // What it accessed so far, it will access again.
        for hit in accesses.pendingHits { counts.hits.watchpoints[hit.watchpoint]? -= 1 }
        accesses.pendingHits = []
        try fetchRegisters()
        let bytes = machine.instruction(at: programCounter, seenBy: self)
        let page = MemorySlots.page(of: address.rawValue)
        return try whileOthersWait { () throws(KVMError) in
            try stepWithout([page], instruction: bytes, after: .mmioRead(address: address, size: 1))
        }
    }

    /// Whether an event that is delivered on the stack in use would fail for a trapped page.
    func hasTrappedStack() -> Bool {
        guard !machine.x86.pageTraps.slots.trapped.isEmpty else { return false }
        let top = X86.stackTop(registers)
        // Five or six words of 8 bytes, and 15 more to align them: Intel SDM volume 3, section 6.14.2.
        return !trappedPages([top + -1, top + -64]).isEmpty
    }

    /// Those pages of `addresses` that are trapped, as this vCPU sees them.
    private func trappedPages(_ addresses: [VirtualAddress]) -> Set<UInt64> {
        let paging = X86.paging(registers)
        let places = addresses.compactMap { try? paging.translate($0, in: machine.guestMemory).physical }
        return Set(
            places.filter { machine.x86.pageTraps.slots.trap(at: $0) != nil }.map { MemorySlots.page(of: $0.rawValue) })
    }

    /// Makes pages that only writes are watched on read-only, so that code runs there; false where that is no help.
    private func keepsCode(_ pages: Set<UInt64>) -> Bool {
        let before = machine.x86.pageTraps.slots.trapped
        machine.x86.pageTraps.codePages.formUnion(pages)
        machine.trapPages()
        return machine.x86.pageTraps.slots.trapped != before
    }

    /// Steps once with `pages` in place, or with all of them where none is known to be in the way.
    private func stepWithout(
        _ pages: Set<UInt64>, instruction: [UInt8], after exit: Exit
    ) throws(KVMError) -> Outcome {
        let failedDelivery = exit == .shutdown || exit.isFailedDelivery
        let all = Set(machine.x86.pageTraps.slots.trapped.keys)
        guard X86.privilege(registers) < 3 || machine.capabilities.user.singleStep else {
            return release(pages.isEmpty ? all : pages)
        }
        let outer = debugControl.armed
        let start = registers
        let vector = exit == .shutdown ? try interruptInDelivery() : nil
        for open in pages.isEmpty || pages == all ? [all] : [pages, all] {
            let before = machine.watchedBytes(on: open)
            machine.trapPages(without: open)
            defer { machine.trapPages() }
            if let vector { try vcpu.injectInterrupt(vector: vector) }
            // The step that delivers an event has no instruction whose flags could be followed.
            let (event, isTrapDue) = try enterSingle(
                .retry, failedDelivery ? nil : X86StepInstruction(instruction, registers), endsInHandler: false)
            try arm(outer)
            if let event, event.cause != .stepped {
                // The code alone was not what the instruction needs.
                if event.cause == .emulationFailure, open != all { continue }
                return .stop(event)
            }
            recordHits(failedDelivery ? pushes(start) : accesses(of: instruction, start, on: open))
            // What the operand explains was looked at just now.
            recordHits(machine.changes(since: before) { failedDelivery || !self.writes($0, instruction, start) })
            // Where an outer step is under way, it asks for the exception itself.
            if isTrapDue, !outer.singleStep { try queueTrap() }
            break
        }
        if !accesses.pendingHits.isEmpty, !accesses.isFinishingRepetition { return watchpointStop(and: nil) }
        return outer.singleStep ? .stop(StopEvent(.stepped, on: index)) : .goOn
    }

    /// Where this host cannot step, reads of the pages go unseen until the next resume, or all accesses do.
    private func release(_ pages: Set<UInt64>) -> Outcome {
        let removed = pages.filter { machine.x86.pageTraps.slots.trapped[$0] == .removed }
        machine.x86.pageTraps.relaxedPages.formUnion(removed)
        if removed.isEmpty { machine.x86.pageTraps.releasedPages.formUnion(pages) }
        machine.trapPages()
        let what = removed.isEmpty ? "accesses to" : "reads of"
        let text =
            "\(what) watched memory go unseen until the machine stops next: user mode needs it at "
            + "\(programCounter), and this host cannot step there\n"
        machine.server.show(Array(text.utf8))
        return .goOn
    }

    /// The vector of the external interrupt whose delivery failed, if it was one: its controller waits for its end
    /// while the processor still takes interrupts.
    private func interruptInDelivery() throws(KVMError) -> UInt8? {
        guard X86.takesInterrupts(registers) else { return nil }
        let vector = try vcpu.lastInterrupt()
        return try machine.interruptController.isInService(vector, on: self) ? vector : nil
    }

    /// What the delivery of an event pushed: from where the stack's top is now to where it was, or, on a stack of its
    /// own, a frame of five words.
    private func pushes(_ start: RegisterFile) -> [PageWatch.Hit] {
        let (top, old) = (X86.stackTop(registers), X86.stackTop(start))
        let distance = old.rawValue &- top.rawValue
        let size = distance < 128 ? Int(distance) : 40
        guard let there = try? X86.paging(registers).translate(top, in: machine.guestMemory).physical else { return [] }
        return machine.x86.pageTraps.watch.hits(of: size, at: there, isWrite: true, through: [top])
    }

    /// What an instruction that was stepped over accessed on the pages that were open for it, as far as its operand
    /// shows: reads leave no trace in memory.
    private func accesses(of bytes: [UInt8], _ start: RegisterFile, on open: Set<UInt64>) -> [PageWatch.Hit] {
        let length = Int(truncatingIfNeeded: programCounter.rawValue &- X86.programCounter(start).rawValue)
        return X86MemoryOperand.accesses(bytes, start, length: length).flatMap { access -> [PageWatch.Hit] in
            guard let there = try? X86.paging(start).translate(access.address, in: machine.guestMemory).physical,
                open.contains(MemorySlots.page(of: there.rawValue))
            else { return [] }
            return machine.x86.pageTraps.watch.hits(
                of: access.size, at: there, isWrite: access.isWrite, through: [access.address])
        }
    }

    /// Whether the operand of an instruction that was stepped over explains a write to `place`.
    private func writes(_ place: PhysicalAddress, _ bytes: [UInt8], _ start: RegisterFile) -> Bool {
        let length = Int(truncatingIfNeeded: programCounter.rawValue &- X86.programCounter(start).rawValue)
        return X86MemoryOperand.accesses(bytes, start, length: length).contains { access in
            guard access.isWrite, let there = machine.physical(access.address, by: start) else { return false }
            return place.rawValue &- there.rawValue < UInt64(access.size)
        }
    }
}

extension VirtualMachine {
    /// What lies on the watched parts of `pages` now; of the first MiB of them, where there is more.
    func watchedBytes(on pages: Set<UInt64>) -> [(place: PhysicalAddress, bytes: [UInt8])] {
        let limit = 256
        return pages.sorted().prefix(limit).map { page in
            var bytes = [UInt8](repeating: 0, count: Int(MemorySlots.pageSize))
            _ = guestMemory.read(PhysicalAddress(page), into: &bytes)
            return (PhysicalAddress(page), bytes)
        }
    }

    /// The watched addresses where something else lies now.
    func changes(
        since before: [(place: PhysicalAddress, bytes: [UInt8])], where isWanted: (PhysicalAddress) -> Bool
    ) -> [PageWatch.Hit] {
        zip(before, watchedBytes(on: Set(before.map(\.place.rawValue)))).flatMap { old, new -> [PageWatch.Hit] in
            guard old.bytes != new.bytes else { return [] }
            let changed = old.bytes.indices.filter { old.bytes[$0] != new.bytes[$0] && isWanted(new.place + $0) }
            return changed.flatMap { x86.pageTraps.watch.hits(of: 1, at: new.place + $0, isWrite: true) }
        }
    }
}

extension Exit {
    /// The event stays queued.
    var isFailedDelivery: Bool {
        if case .internalError(.eventDelivery, _) = self { true } else { false }
    }
}
