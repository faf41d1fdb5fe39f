import Primitives
import Testing

@testable import Interrupts

/// One type of request for every kind of controllers: each refuses what it does not have.
@Suite("requests to interrupt controllers")
struct InterruptRequestTests {
    private static let ofPC: [InterruptRequest] = [
        .vector(0x40, cpu: 0), .interprocessor(0x40, to: [0]), .message(InterruptMessage(vector: 0x40, to: 0)),
        .nonMaskable([0]),
    ]
    private static let ofGIC: [InterruptRequest] = [
        .priority(33, cpu: 0, 0x50), .group(33, cpu: 0, isOne: true), .send(sgi: 1, from: 0, to: .others),
    ]
    private static let ofRecord: [InterruptRequest] = [.record(true), .clearRecord]

    @Test("a GIC refuses what only a PC has, and nothing changes", arguments: ofPC + ofRecord)
    func onGIC(request: InterruptRequest) {
        var gic = GICv2(GICv2.Configuration.kvm)
        let result = gic.perform(request, [], at: ModelTime(nanoseconds: 0))
        #expect(!result.isDone && result.outcome == InterruptOutcome() && result.text == "a GIC does not have that")
    }

    @Test("a PC refuses what only a GIC has", arguments: ofGIC + ofRecord)
    func onPC(request: InterruptRequest) {
        let pc = PCInterruptController(PCInterruptController.Configuration())
        #expect(throws: PCInterruptController.Objection.self) { try pc.changes(for: request) }
    }

    @Test("a PC's input changes as its pin is triggered, unless the request says how")
    func triggers() throws {
        var pc = PCInterruptController(PCInterruptController.Configuration())
        // Pin 10 is level-triggered.
        for (offset, value) in [(0x00, 0x24), (0x10, 0x8051)] as [(UInt64, UInt64)] {
            _ = pc.writeMemory(
                value, PhysicalAddress(0xfec0_0000 + offset), size: 4, 0, at: ModelTime(nanoseconds: 0))
        }
        #expect(try pc.changes(for: .inject(4, cpu: 0, nil)) == [.pulse(4)])
        #expect(try pc.changes(for: .inject(4, cpu: 0, .level)) == [.line(4, true)])
        #expect(try pc.changes(for: .inject(10, cpu: 0, nil)) == [.line(10, true)])
        #expect(try pc.changes(for: .inject(10, cpu: 0, .edge)) == [.pulse(10)])
    }

    @Test("only what is accepted is reported as done")
    func accepted() throws {
        let pc = PCInterruptController(PCInterruptController.Configuration())
        func answer(_ request: InterruptRequest, _ accepted: Int) throws -> String {
            "\(try pc.result(of: request, try pc.changes(for: request), accepted: accepted, []))"
        }
        #expect(try answer(.vector(0x40, cpu: 0), 1) == "accepted; will deliver on resume")
        #expect(try answer(.vector(0x40, cpu: 0), 0) == "no local APIC accepted it: see irq warnings")
        #expect(throws: PCInterruptController.Objection.self) { try answer(.lower(4, cpu: 0), 0) }
        #expect(throws: PCInterruptController.Objection.self) { try answer(.mask(4, cpu: 0, true), 0) }
        #expect(throws: PCInterruptController.Objection.self) { try answer(.clear(0x44, cpu: 0), 0) }
    }
}
