import Primitives
import Testing

@testable import Interrupts

@Suite struct GateTests {
    /// An entry as a kernel builds it.
    private static func entry(
        _ mode: InterruptGate.Mode, offset: UInt64, selector: UInt16 = 8, access: UInt8 = 0x8e, stack: UInt8 = 0
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        if mode == .real {
            bytes.append(littleEndian: UInt16(offset))
            bytes.append(littleEndian: selector)
            return bytes
        }
        bytes.append(littleEndian: UInt16(truncatingIfNeeded: offset))
        bytes.append(littleEndian: selector)
        bytes += [stack, access]
        bytes.append(littleEndian: UInt16(truncatingIfNeeded: offset >> 16))
        if mode == .long {
            bytes.append(littleEndian: UInt32(truncatingIfNeeded: offset >> 32))
            bytes.append(littleEndian: UInt32(0))
        }
        return bytes
    }

    @Test(
        "entries decode in every mode",
        arguments: [
            (.real, 0x1234, 0x00, .realMode), (.protected, 0xc010_1234, 0x8e, .interrupt(bits: 32)),
            (.protected, 0xc010_1234, 0xef, .trap(bits: 32)), (.protected, 0x1234, 0x86, .interrupt(bits: 16)),
            (.protected, 0x1234, 0x87, .trap(bits: 16)), (.protected, 0, 0x85, .task),
            (.long, 0xffff_ffff_8100_1234, 0x8e, .interrupt(bits: 64)), (.long, 0x40_1234, 0xef, .trap(bits: 64)),
            (.long, 0, 0x85, .invalid(type: 5)), (.protected, 0, 0x9e, .invalid(type: 0x1e)),
            (.protected, 0, 0x8c, .invalid(type: 0x0c)),
        ] as [(InterruptGate.Mode, UInt64, UInt8, InterruptGate.Kind)])
    func entriesDecodeInEveryMode(mode: InterruptGate.Mode, offset: UInt64, access: UInt8, kind: InterruptGate.Kind)
        throws
    {
        let gate = try #require(
            InterruptGate(Self.entry(mode, offset: offset, selector: 0x10, access: access, stack: 3), mode: mode)
        )
        #expect(gate.kind == kind)
        #expect(gate.offset == offset)
        #expect(gate.selector == 0x10)
        #expect(gate.isPresent)
        #expect(gate.interruptStack == (mode == .long ? 3 : 0))
        if mode != .real { #expect(gate.dpl == (access >> 5) & 3) }
        let short = Self.entry(mode, offset: offset).dropLast()
        #expect(InterruptGate(Array(short), mode: mode) == nil)
    }

    @Test("a gate describes itself")
    func aGateDescribesItself() throws {
        let bytes = Self.entry(.long, offset: 0xffff_ffff_8100_0000, selector: 0x10, access: 0x0e, stack: 1)
        let gate = try #require(InterruptGate(bytes, mode: .long))
        #expect(gate.description == "64-bit interrupt gate to 0x10:0xffffffff81000000, DPL 0, IST 1, not present")
        let vector = try #require(InterruptGate(Self.entry(.real, offset: 0xe987, selector: 0xf000), mode: .real))
        #expect(vector.description == "real-mode vector to 0xf000:0xe987")
    }

    private func table(_ mode: InterruptGate.Mode, limit: UInt16 = 0xfff) -> InterruptTable {
        InterruptTable(base: VirtualAddress(0x1000), limit: limit, mode: mode)
    }

    private func failure(_ result: Result<InterruptGate, InterruptTable.Failure>) -> String? {
        if case .failure(let failure) = result { failure.description } else { nil }
    }

    @Test(
        "the limit counts an entry's last byte",
        arguments: [(.real, 4, 0x3ff), (.protected, 8, 0x7ff), (.long, 16, 0xfff)]
            as [(InterruptGate.Mode, Int, UInt16)])
    func theLimitCountsAnEntrysLastByte(mode: InterruptGate.Mode, size: Int, whole: UInt16) {
        let entry = Self.entry(mode, offset: 0x100)
        #expect(failure(table(mode, limit: whole).gate(for: 255, entry: entry)) == nil)
        #expect(failure(table(mode, limit: whole - 1).gate(for: 255, entry: entry)) != nil)
        #expect(table(mode).entryAddress(of: 14) == VirtualAddress(UInt64(0x1000 + 14 * size)))
    }

    @Test("what stops a delivery at its gate is explained in words")
    func whatStopsADeliveryAtItsGateIsToldInWords() {
        let good = Self.entry(.long, offset: 0x1000)
        #expect(
            failure(table(.long, limit: 0).gate(for: 14, entry: good))
                == "IDT limit 0x0000 leaves out vector 14: #GP (13, general protection), error code 0x73"
        )
        #expect(
            failure(table(.real, limit: 0).gate(for: 14, entry: good))
                == "IDT limit 0x0000 leaves out vector 14: #GP (13, general protection)"
        )
        #expect(
            failure(table(.long).gate(for: 14, entry: nil))
                == "the IDT entry of vector 14 at 0x10e0 is not mapped: #PF (14, page fault), error code 0x0"
        )
        #expect(
            failure(table(.long).gate(for: 6, entry: [UInt8](repeating: 0, count: 16)))
                == "IDT entry 6 is empty: no gate in long mode: #GP (13, general protection), error code 0x33"
        )
        #expect(
            failure(table(.long).gate(for: 6, entry: Self.entry(.long, offset: 0, access: 0x8c)))
                == "IDT entry 6 is of type 0xc: no gate in long mode: #GP (13, general protection), error code 0x33"
        )
        #expect(
            failure(table(.long).gate(for: 14, entry: Self.entry(.long, offset: 0, access: 0x0e)))
                == "gate 14 is not present: #NP (11, segment not present), error code 0x73"
        )
    }

    @Test(
        "an instruction needs the gate's privilege, an event does not",
        arguments: [(0, 3, false), (3, 3, true), (0, 0, true), (1, 2, false)] as [(UInt8, UInt8, Bool)])
    func anInstructionNeedsTheGatesPrivilegeAnEvent(dpl: UInt8, cpl: UInt8, passes: Bool) {
        let entry = Self.entry(.protected, offset: 0x1000, access: 0x8e | dpl << 5)
        let table = table(.protected, limit: 0x7ff)
        let result = failure(table.gate(for: 0x80, entry: entry, cause: .instruction(cpl: cpl)))
        #expect((result == nil) == passes)
        if !passes {
            #expect(
                result == "gate 128 has DPL \(dpl), too low for INT at CPL\(cpl): "
                    + "#GP (13, general protection), error code 0x402"
            )
        }
        #expect(failure(table.gate(for: 0x80, entry: entry)) == nil)
    }

    private static let code64: UInt64 = 0x00af_9a00_0000_ffff
    private static let code32: UInt64 = 0x00cf_9a00_0000_ffff

    @Test(
        "what stops a delivery at its handler is explained in words",
        arguments: [
            (.long, 0x08, 0x1000, code64, nil),
            (.protected, 0x08, 0x1000, code32, nil),
            (
                .long, 0x00, 0x1000, code64,
                "the gate's code selector is null: #GP (13, general protection), error code 0x1"
            ),
            (
                .long, 0x40, 0x1000, nil,
                "code selector 0x40 is outside its descriptor table: #GP (13, general protection), error code 0x41"
            ),
            (
                .long, 0x08, 0x1000, 0x00cf_9200_0000_ffff,
                "code selector 0x8 is no code segment: #GP (13, general protection), error code 0x9"
            ),
            (
                .long, 0x08, 0x1000, 0x00af_fa00_0000_ffff,
                "code selector 0x8 has DPL 3, above CPL0: #GP (13, general protection), error code 0x9"
            ),
            (
                .long, 0x08, 0x1000, 0x00af_1a00_0000_ffff,
                "code selector 0x8 is not present: #NP (11, segment not present), error code 0x9"
            ),
            (
                .long, 0x08, 0x1000, code32,
                "code selector 0x8 is no 64-bit code segment: #GP (13, general protection), error code 0x9"
            ),
            (
                .long, 0x08, 0x8000_0000_0000, code64,
                "handler 0x800000000000 is not canonical: #GP (13, general protection), error code 0x1"
            ),
            (.real, 0x00, 0x1000, nil, nil),
        ] as [(InterruptGate.Mode, UInt16, UInt64, UInt64?, String?)])
    func whatStopsADeliveryAtItsHandlerIsToldInWords(
        mode: InterruptGate.Mode, selector: UInt16, offset: UInt64, descriptor: UInt64?, text: String?
    ) throws {
        let gate = try #require(InterruptGate(Self.entry(mode, offset: offset, selector: selector), mode: mode))
        #expect(table(mode).failure(entering: gate, descriptor: descriptor, cpl: 0)?.description == text)
    }

    @Test("five-level paging widens what is canonical")
    func fiveLevelPagingWidensWhatIsCanonical() throws {
        let gate = try #require(InterruptGate(Self.entry(.long, offset: 0x8000_0000_0000), mode: .long))
        let wide = InterruptTable(base: VirtualAddress(0), limit: 0xfff, mode: .long, linearAddressBits: 57)
        #expect(wide.failure(entering: gate, descriptor: Self.code64, cpl: 0) == nil)
    }

    @Test("any bytes decode to something")
    func anyBytesDecodeToSomething() {
        var state: UInt64 = 6
        for _ in 0..<100_000 {
            var bytes: [UInt8] = []
            for _ in 0..<16 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(UInt8(truncatingIfNeeded: state >> 56))
            }
            let descriptor: UInt64 = bytes.number(at: 8, count: 8)
            for mode in [.real, .protected, .long] as [InterruptGate.Mode] {
                let table = table(mode, limit: bytes.number(at: 2, count: 2))
                let cause = bytes[6] & 1 == 0 ? InterruptTable.Cause.event : .instruction(cpl: bytes[7] & 3)
                if case .success(let gate) = table.gate(for: bytes[0], entry: bytes, cause: cause) {
                    _ = table.failure(entering: gate, descriptor: descriptor, cpl: bytes[7] & 3, cause: cause)
                }
            }
        }
    }
}
