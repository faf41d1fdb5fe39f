import Architecture
import Primitives

/// Which of the guest's exception handlers are watched, and where they begin: as its own interrupt table says.
///
/// The hidden breakpoint on a handler's first instruction sees every exception of its vector, with the interrupted
/// program on the stack (Intel SDM volume 3, section 6.12.1).
struct HandlerWatch {
    /// What the entries follow from: as long as this is the same, so are they.
    struct Source: Equatable {
        var vectors: Set<UInt8> = []
        var table = InterruptTable(base: VirtualAddress(0), limit: 0, mode: .real)
        /// The table's first entries, as far as watched vectors go.
        var bytes: [UInt8] = []
    }

    struct Entry: Equatable {
        /// The exception watched for.
        let vector: UInt8
        /// The one whose handler this is: another where the guest has no gate for the first, and so gets that instead.
        let arrivesAs: UInt8
        /// What the other one's error code must be.
        let errorCode: UInt32?
        let address: VirtualAddress
        /// Bytes of a word on the handler's stack.
        let wordSize: Int

        /// #DE, #DB, #UD, #GP or #PF.
        var isCommon: Bool { [0, 1, 6, 13, 14].contains(vector) }

        var hasErrorCode: Bool { wordSize != 2 && ExceptionVector(arrivesAs).pushesErrorCode }
    }

    var source = Source()
    var entries: [Entry] = []
    /// Entries that a debug register watches; the others have a planted instruction.
    var slots: [VirtualAddress] = []

    /// The entries of `source`. `descriptor` is the GDT's answer for a selector.
    static func entries(of source: Source, descriptor: (UInt16) -> UInt64?) -> [Entry] {
        source.vectors.sorted().compactMap { vector in
            switch gate(vector, source) {
            case .success(let gate): return entry(vector, as: vector, errorCode: nil, gate, source, descriptor)
            case .failure(let failure):
                let other = failure.raises.rawValue
                guard case .success(let gate) = self.gate(other, source) else { return nil }
                return entry(vector, as: other, errorCode: failure.errorCode, gate, source, descriptor)
            }
        }
    }

    private static func gate(_ vector: UInt8, _ source: Source) -> Result<InterruptGate, InterruptTable.Failure> {
        let size = source.table.mode.entrySize
        let start = Int(vector) * size
        let bytes = start + size <= source.bytes.count ? Array(source.bytes[start..<start + size]) : nil
        return source.table.gate(for: vector, entry: bytes)
    }

    private static func entry(
        _ vector: UInt8, as other: UInt8, errorCode: UInt32?, _ gate: InterruptGate, _ source: Source,
        _ descriptor: (UInt16) -> UInt64?
    ) -> Entry? {
        let address: UInt64
        let wordSize: Int
        switch gate.kind {
        case .realMode: (address, wordSize) = (UInt64(gate.selector) << 4 &+ gate.offset, 2)
        case .interrupt(let bits), .trap(let bits):
            guard let segment = descriptor(gate.selector) else { return nil }
            let base = segment[bits: 16...39] | segment[bits: 56...63] << 24
            (address, wordSize) = (bits == 64 ? gate.offset : (base &+ gate.offset) & 0xffff_ffff, bits / 8)
        case .task, .invalid: return nil
        }
        return Entry(
            vector: vector, arrivesAs: other, errorCode: errorCode, address: VirtualAddress(address),
            wordSize: wordSize)
    }
}
