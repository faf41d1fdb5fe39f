import Primitives

/// One vCPU's registers: the kernel's structures as bytes, with which of them are there and which were changed.
package struct RegisterFile: Sendable {
    /// The structures side by side, each at the offset the architecture gives it.
    package var storage: [UInt8]
    /// Blocks whose bytes are the vCPU's.
    package var present: RegisterBlocks = []
    /// What could not be fetched, and why: blocks, and single registers by the offset of their storage, which means nothing.
    private var missing: [(blocks: RegisterBlocks, offset: Int?, reason: String)] = []
    /// Blocks that a client changed since they were fetched.
    package var changed: RegisterBlocks = []

    package init(size: Int) { storage = [UInt8](repeating: 0, count: size) }

    // MARK: - What could not be fetched

    /// Nothing of what is present is missing.
    package var isWhole: Bool { missing.isEmpty }

    /// The register could not be fetched: the reason. Nil where its value is there.
    package func reasonMissing(_ register: Register) -> String? {
        missing.first { row in
            row.blocks.contains(register.block) && (row.offset == nil || row.offset == register.offset)
        }?.reason
    }

    /// None of `blocks` could be fetched, or of them not what is stored at `offset`.
    package mutating func noteMissing(_ blocks: RegisterBlocks, at offset: Int? = nil, _ reason: String) {
        missing.append((blocks, offset, reason))
    }

    /// `blocks` are about to be fetched anew.
    package mutating func forgetMissing(_ blocks: RegisterBlocks) {
        if !missing.isEmpty { missing.removeAll { !$0.blocks.isDisjoint(with: blocks) } }
    }

    // MARK: - Values

    /// Appends the register's value, little-endian, in its width on the wire.
    package func append(_ register: Register, to output: inout [UInt8]) {
        switch register.form {
        case .extended(let component, _) where !X86.isInUse(component, storage):
            output.append(contentsOf: repeatElement(0, count: register.bits / 8))
        case .plain, .selector, .extended:
            output.append(contentsOf: storage[register.offset..<register.offset + register.width])
            output.append(contentsOf: repeatElement(0, count: register.bits / 8 - register.width))
        case .programCounter, .attributes, .tagWord, .bankedStackPointer:
            let value = number(register)
            for i in 0..<register.bits / 8 { output.append(UInt8(truncatingIfNeeded: value >> UInt64(i * 8))) }
        }
    }

    /// The register's value, little-endian, in its width on the wire.
    package func bytes(of register: Register) -> [UInt8] {
        var bytes: [UInt8] = []
        append(register, to: &bytes)
        return bytes
    }

    /// The register's value; of one wider than 64 bits, the lowest 64.
    package func number(_ register: Register) -> UInt64 {
        let stored: UInt64 = storage.number(at: register.offset, count: min(register.width, 8))
        switch register.form {
        case .extended(let component, _) where !X86.isInUse(component, storage): return 0
        case .plain, .selector, .extended: return stored
        case .programCounter: return (stored &+ X86.codeBase(self)) & .mask(register.bits)
        case .attributes: return X86.gatherAttributes(storage, at: register.offset)
        case .tagWord: return X86.expandTags(UInt8(truncatingIfNeeded: stored), storage)
        case .bankedStackPointer(let own): return Arm64.state(self).usesOwnStack ? field(own) : stored
        }
    }

    /// Stores a value of the register's width on the wire; bytes beyond its storage are dropped.
    package mutating func set(_ register: Register, to bytes: some Collection<UInt8>) {
        changed.formUnion(register.block)
        let value = Array(bytes.prefix(8)).littleEndianNumber
        switch register.form {
        case .extended(let component, let area):
            X86.use(component, at: area, &storage)
            store(bytes, register)
        case .plain:
            if register.block == .floatingPoint { X86.useFloatingPoint(&storage) }
            store(bytes, register)
        case .selector(let segment):
            storage.store(value, at: register.offset, count: register.width)
            if X86.mode(self) == .real { storage.store((value & 0xffff) << 4, at: segment, count: 8) }
        case .programCounter:
            storage.store((value &- X86.codeBase(self)), at: register.offset, count: register.width)
        case .attributes: X86.scatterAttributes(value, into: &storage, at: register.offset)
        case .tagWord:
            X86.useFloatingPoint(&storage)
            storage[register.offset] = X86.abridgeTags(value)
        case .bankedStackPointer(let own):
            let place = Arm64.state(self).usesOwnStack ? own : register.offset
            storage.store(value, at: place, count: register.width)
        }
    }

    private mutating func store(_ bytes: some Collection<UInt8>, _ register: Register) {
        for (i, byte) in bytes.prefix(register.width).enumerated() { storage[register.offset + i] = byte }
    }

    package mutating func set(_ register: Register, to value: UInt64) {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        set(register, to: bytes.prefix(register.bits / 8))
    }
}

extension Array where Element == UInt8 {
    fileprivate var littleEndianNumber: UInt64 { number(at: 0, count: Swift.min(count, 8)) }
}
