import Interrupts
import KVM
import Primitives
import Testing

@testable import Machine

/// Interrupts by descriptor, and where their numbers lead.
@Suite(
    "Interrupt events", .timeLimit(.minutes(1)),
    .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct InterruptEventTests {
    private static let pin = 14
    private static let vector: UInt8 = 0x51

    /// A board whose local APIC is on, and whose pin 14 has `entry`'s trigger mode.
    private func board(_ kind: InterruptControllerKind, isLevel: Bool = false) throws -> KernelBoard {
        let board = try KernelBoard(kind)
        var operations: [KernelBoard.Operation] = [.store(address: 0xfee0_00f0, 0x1ff)]
        if kind == .kernel {
            let entry = UInt32(Self.vector) | (isLevel ? 0x8000 : 0)
            operations.append(.store(address: 0xfec0_0000, UInt32(0x10 + 2 * Self.pin)))
            operations.append(.store(address: 0xfec0_0010, entry))
        }
        _ = try board.run(operations)
        return board
    }

    /// The kernel may raise the line some time after the write.
    private func waitForRequest(_ board: KernelBoard) throws {
        while try !board.localAPIC().interruptRequest.contains(Self.vector) {}
    }

    @Test("a write to the descriptor is an edge of the kernel's pin, each time")
    func edge() throws {
        let board = try board(.kernel)
        let event = try board.vm.makeInterruptEvent(UInt32(Self.pin))
        for _ in 0..<2 {
            try event.raise()
            try waitForRequest(board)
            try board.acknowledge()
            _ = try board.run([.store(address: 0xfee0_00b0, 0)])
        }
        let hasEnd = event.takeEnd()
        #expect(!hasEnd, "edges have none")
        try board.vm.disconnect(event)
    }

    @Test("a level stays until its interrupt is ended, and the device hears of the end")
    func level() throws {
        let board = try board(.kernel, isLevel: true)
        let event = try board.vm.makeInterruptEvent(UInt32(Self.pin), isLevel: true)
        try event.raise()
        try waitForRequest(board)
        #expect(try board.chips().ioapic.entries[Self.pin].remoteIRR)
        let isEarly = event.takeEnd()
        #expect(!isEarly)
        try board.acknowledge()
        _ = try board.run([.store(address: 0xfee0_00b0, 0)])
        while !event.takeEnd() {}
        #expect(try !board.chips().ioapic.lines[bit: Self.pin])
        #expect(try !board.localAPIC().interruptRequest.contains(Self.vector))
    }

    @Test("with local APICs alone a number leads to a message")
    func message() throws {
        let board = try board(.split)
        let target = GSIRoute.Target.message(address: 0xfee0_0000, data: UInt32(Self.vector))
        try board.vm.setRoutes([GSIRoute(30, to: target)])
        let event = try board.vm.makeInterruptEvent(30)
        try event.raise()
        try waitForRequest(board)
    }

    @Test("with local APICs alone there are no pins and no levels")
    func messagesOnly() throws {
        let board = try board(.split)
        #expect(throws: KVMError.self) { try board.vm.setRoutes([GSIRoute(3, to: .pin(3, controller: 2))]) }
        #expect(throws: KVMError.self) { _ = try board.vm.makeInterruptEvent(3, isLevel: true) }
    }

    @Test("a number that leads to two pins raises both")
    func shared() throws {
        let board = try board(.kernel)
        let pins = [GSIRoute.Target.pin(UInt32(Self.pin), controller: 2), .pin(3, controller: 0)]
        let routes = pins.map { GSIRoute(30, to: $0) }
        try board.vm.setRoutes(routes)
        try board.vm.setInterruptLine(30, true)
        #expect(try board.localAPIC().interruptRequest.contains(Self.vector))
        #expect(try board.chips().pair.request & 8 != 0)
    }

    @Test("a message that no local APIC takes is distinguished from one that was taken")
    func nobody() throws {
        let board = try board(.split)
        #expect(try board.vm.signal(address: 0xfee0_0000, data: UInt32(Self.vector)))
        #expect(try !board.vm.signal(address: 0xfee0_e000, data: UInt32(Self.vector)))
    }
}
