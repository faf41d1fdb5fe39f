// Whether an interrupt or exception can be delivered through the IDT, and what the processor raises when not: Intel SDM
// volume 2, "INT n", operation; volume 3, sections 6.12 and 6.14. This explains triple faults in the guest's own terms.
//
// The checks go as far as the gate and the handler's code segment. Left out: the stack switch (TSS, stack segment,
// shadow stack), task switches through task gates, and virtual-8086 mode.

import Primitives

/// The IDT register and the mode that says how its table is read.
package struct InterruptTable: Hashable, Sendable {
    package let base: VirtualAddress
    /// The table's last byte, counted from `base`.
    package let limit: UInt16
    package let mode: InterruptGate.Mode
    /// How many bits of a linear address count in long mode: 48, or 57 with five-level paging.
    package let linearAddressBits: Int

    package init(base: VirtualAddress, limit: UInt16, mode: InterruptGate.Mode, linearAddressBits: Int = 48) {
        self.base = base
        self.limit = limit
        self.mode = mode
        self.linearAddressBits = linearAddressBits
    }

    /// Who asks for the delivery.
    package enum Cause: Hashable, Sendable {
        /// An exception or an interrupt from outside: the gate's DPL does not count.
        case event
        /// INT n, INT3 or INTO at this privilege level.
        case instruction(cpl: UInt8)
    }

    /// Why a delivery fails.
    package struct Failure: Hashable, Sendable {
        package let raises: ExceptionVector
        /// What is pushed; nil in real mode, which pushes none.
        package let errorCode: UInt32?
        /// "IDT limit 0x0fff leaves out vector 14".
        package let reason: String
        /// The table's entry that cannot be read: a page fault's address.
        package var entry: VirtualAddress?
    }

    /// Where the entry of `vector` is: `mode.entrySize` bytes.
    package func entryAddress(of vector: UInt8) -> VirtualAddress { base + Int(vector) * mode.entrySize }

    /// Follows `vector` as far as its gate. `entry` holds the bytes at `entryAddress`, nil where they cannot be read.
    /// Gives the gate, or why it cannot be passed.
    package func gate(
        for vector: UInt8, entry: [UInt8]?, cause: Cause = .event
    ) -> Result<InterruptGate, Failure> {
        let code = SelectorErrorCode(gate: vector, isExternal: cause == .event).rawValue
        guard Int(vector) * mode.entrySize + mode.entrySize - 1 <= Int(limit) else {
            let shown = hexadecimal(limit, digits: 4)
            return fail(.generalProtection, code, "IDT limit \(shown) leaves out vector \(vector)")
        }
        guard let entry, let gate = InterruptGate(entry, mode: mode) else {
            let place = entryAddress(of: vector)
            var failure = failure(.pageFault, 0, "the IDT entry of vector \(vector) at \(place) is not mapped")
            failure.entry = place
            return .failure(failure)
        }
        if case .invalid(let type) = gate.kind {
            let what = entry.prefix(mode.entrySize).allSatisfy { $0 == 0 } ? "empty" : "of type \(hexadecimal(type))"
            return fail(.generalProtection, code, "IDT entry \(vector) is \(what): no gate in \(mode.rawValue)")
        }
        if case .instruction(let cpl) = cause, mode != .real, gate.dpl < cpl {
            return fail(.generalProtection, code, "gate \(vector) has DPL \(gate.dpl), too low for INT at CPL\(cpl)")
        }
        guard gate.isPresent else {
            return fail(.segmentNotPresent, code, "gate \(vector) is not present")
        }
        return .success(gate)
    }

    /// Follows a gate to its handler. `descriptor` holds the 8 bytes that the gate's selector names, nil where the
    /// selector lies beyond its table or cannot be read. Nil when nothing stands in the way.
    package func failure(
        entering gate: InterruptGate, descriptor: UInt64?, cpl: UInt8, cause: Cause = .event
    ) -> Failure? {
        guard mode != .real, gate.kind != .task else { return nil }
        let isExternal = cause == .event
        let selector = "code selector \(hexadecimal(gate.selector))"
        guard gate.selector & ~3 != 0 else {
            return failure(.generalProtection, isExternal ? 1 : 0, "the gate's code selector is null")
        }
        let code = SelectorErrorCode(selector: gate.selector, isExternal: isExternal).rawValue
        guard let descriptor else {
            return failure(.generalProtection, code, "\(selector) is outside its descriptor table")
        }
        let access = UInt8(truncatingIfNeeded: descriptor >> 40)
        let isLong = descriptor[bit: 53]
        let is32Bit = descriptor[bit: 54]
        guard access & 0x18 == 0x18 else {
            return failure(.generalProtection, code, "\(selector) is no code segment")
        }
        guard access[bits: 5...6] <= cpl else {
            return failure(.generalProtection, code, "\(selector) has DPL \(access[bits: 5...6]), above CPL\(cpl)")
        }
        guard access[bit: 7] else {
            return failure(.segmentNotPresent, code, "\(selector) is not present")
        }
        guard mode == .long else { return nil }
        guard isLong, !is32Bit else {
            return failure(.generalProtection, code, "\(selector) is no 64-bit code segment")
        }
        guard isCanonical(gate.offset) else {
            let handler = hexadecimal(gate.offset)
            return failure(.generalProtection, isExternal ? 1 : 0, "handler \(handler) is not canonical")
        }
        return nil
    }

    private func isCanonical(_ address: UInt64) -> Bool {
        let shift = 64 - Int64(linearAddressBits)
        return (Int64(bitPattern: address) << shift) >> shift == Int64(bitPattern: address)
    }

    private func failure(_ vector: ExceptionVector, _ code: UInt32, _ reason: String) -> Failure {
        Failure(raises: vector, errorCode: mode == .real ? nil : code, reason: reason)
    }

    private func fail<T>(_ vector: ExceptionVector, _ code: UInt32, _ reason: String) -> Result<T, Failure> {
        .failure(failure(vector, code, reason))
    }
}

extension InterruptTable.Failure: Error {}

extension InterruptTable.Failure: CustomStringConvertible {
    /// "gate 14 is not present: #NP (11, segment not present), error code 0x72".
    package var description: String {
        let code = errorCode.map { ", error code \(hexadecimal($0))" } ?? ""
        return "\(reason): \(raises)\(code)"
    }
}
