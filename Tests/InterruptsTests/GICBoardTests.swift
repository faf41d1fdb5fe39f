import Primitives
import Testing

@testable import Interrupts

/// The board of `--irqchip gicv2` on x86: what is around the GIC.
@Suite("The GIC's board for x86 guests")
struct GICBoardTests {
    private static let distributor: UInt64 = 0xfd00_0000
    private static let interface: UInt64 = 0xfd01_0000
    private static let timer: UInt64 = 0xfd02_0000
    private static let starter: UInt64 = 0xfd03_0000

    /// Behind a reference, so that an expectation can hold a call that changes it.
    private final class Board {
        var value: Interrupts.GICBoard

        init(_ processors: Int) { value = Interrupts.GICBoard(.x86(processors: processors)) }

        @discardableResult
        func write(
            _ new: UInt64, _ address: UInt64, _ cpu: Int = 0, size: Int = 4, at now: ModelTime = at(0)
        ) -> InterruptOutcome {
            value.writeMemory(new, PhysicalAddress(address), size: size, cpu, at: now)!
        }

        func read(_ address: UInt64, _ cpu: Int = 0, size: Int = 4, at now: ModelTime = at(0)) -> UInt64 {
            value.readMemory(PhysicalAddress(address), size: size, cpu, at: now)!.value
        }
    }

    /// A board whose Distributor and CPU interfaces are on, with the timers' interrupt enabled.
    private func board(_ processors: Int = 1) -> Board {
        let board = Board(processors)
        board.write(1, Self.distributor)
        for cpu in 0..<processors {
            board.write(1 << 27, Self.distributor + 0x100, cpu)
            board.write(0xff, Self.interface + 4, cpu)
            board.write(1, Self.interface, cpu)
        }
        return board
    }

    @Test("each processor's timer counts the same time and interrupts its own processor")
    func timers() {
        let board = board(2)
        #expect(board.read(Self.timer + 0x10) == 62_500_000)
        board.write(100, Self.timer + 0x38, 1, at: at(16_000))
        board.write(1, Self.timer + 0x3c, 1, at: at(16_000))
        #expect(board.value.nextDeadline == 17_600)
        #expect(board.read(Self.timer + 0x08, 0, at: at(16_160)) == 1010)
        #expect(board.read(Self.timer + 0x38, 1, at: at(16_160)) == 90)
        let outcome = board.value.advance(to: at(17_600))
        #expect(outcome.wake == ProcessorSet(1))
        #expect(board.value.pending(1) == .vector(32))
        #expect(board.value.pending(0) == nil)
        #expect(board.read(Self.interface + 0x0c, 1, at: at(17_600)) == 27)
        #expect(board.read(Self.timer + 0x3c, 1, at: at(17_600)) == 5)
        #expect(board.value.nextDeadline == nil)
    }

    @Test("a masked timer shows its status and keeps its line low; written into the future, the line falls")
    func masked() {
        let board = board()
        board.write(3, Self.timer + 0x3c, at: at(160))
        #expect(board.read(Self.timer + 0x3c, at: at(160)) == 7)
        #expect(board.value.pending(0) == nil)
        board.write(1, Self.timer + 0x3c, at: at(160))
        #expect(board.value.pending(0) == .vector(32))
        board.write(1000, Self.timer + 0x38, at: at(160))
        #expect(board.value.pending(0) == nil)
    }

    @Test("the comparator takes 64 bits at once; a size that no register has reads 0 and writes nothing")
    func widths() {
        let board = board()
        board.write(0x1234_5678_9abc_def0, Self.timer + 0x30, size: 8)
        #expect(board.read(Self.timer + 0x30, size: 8) == 0x1234_5678_9abc_def0)
        #expect(board.read(Self.timer + 0x34) == 0x1234_5678)
        board.write(0xff, Self.timer + 0x30, size: 2)
        #expect(board.read(Self.timer + 0x30, size: 2) == 0)
        #expect(board.read(Self.timer + 0x30, size: 8) == 0x1234_5678_9abc_def0)
        #expect(board.read(Self.timer + 0x800) == 0)
    }

    @Test("an interrupt stays at the processor's input until its handler reads GICC_IAR")
    func input() {
        let board = board()
        _ = board.value.setLine(27, cpu: 0, true, at: at(10))
        #expect(board.value.acknowledge(0, at: at(20)).vector == 32)
        #expect(board.value.pending(0) == .vector(32))
        #expect(board.read(Self.interface + 0x0c, at: at(30)) == 27)
        #expect(board.value.pending(0) == nil)
    }

    @Test("nFIQ is an NMI when it rises, once")
    func fast() {
        let board = board()
        board.write(0x9, Self.interface)
        let risen = board.value.setLine(27, cpu: 0, true, at: at(10))
        #expect(risen.nonMaskable == ProcessorSet(0))
        #expect(board.value.pending(0) == nil)
        let stays = board.write(0x80, Self.distributor + 0x400 + 27, size: 1, at: at(20))
        #expect(stays.nonMaskable.isEmpty)
    }

    @Test("a processor is started once, at the page that was written; nobody starts what is not there")
    func start() {
        let board = board(2)
        #expect(board.read(Self.starter) == 1)
        #expect(board.read(Self.starter + 4) == 0)
        let outcome = board.write(0x60, Self.starter + 4)
        #expect(outcome.startUp == ProcessorSet(1))
        #expect(outcome.startUpVector == 0x60)
        #expect(board.read(Self.starter + 4) == 1)
        #expect(board.write(0x61, Self.starter + 4).startUp.isEmpty)
        for absent in [8, 0x100, 0xffc] as [UInt64] {
            #expect(board.write(0x60, Self.starter + absent).startUp.isEmpty)
            #expect(board.read(Self.starter + absent) == 0)
        }
    }

    @Test("a caught interrupt is reported when the processor takes it, others are not")
    func arrival() {
        let board = board()
        board.value.caught = [33]
        board.write(3, Self.distributor + 0x104)
        board.write(1, Self.distributor + 0x820, size: 1)
        board.write(1, Self.distributor + 0x821, size: 1)
        _ = board.value.pulseLine(32, at: at(10))
        _ = board.value.acknowledge(0, at: at(20))
        #expect(board.value.takeArrival() == nil)
        _ = board.read(Self.interface + 0x0c, at: at(30))
        board.write(32, Self.interface + 0x10, at: at(40))
        _ = board.value.pulseLine(33, at: at(50))
        _ = board.value.acknowledge(0, at: at(60))
        #expect(board.value.takeArrival()?.number == .line(33))
        #expect(board.value.takeArrival() == nil)
    }

    @Test("a reset stops the timers and takes back their interrupts")
    func reset() {
        let board = board(2)
        board.write(1, Self.timer + 0x3c, 1, at: at(160))
        board.write(0x60, Self.starter + 4)
        _ = board.value.reset(at: at(200))
        #expect(board.value.pending(1) == nil)
        #expect(board.value.nextDeadline == nil)
        #expect(board.read(Self.timer + 0x3c, 1, at: at(200)) == 0)
        #expect(board.read(Self.starter + 4) == 0)
        #expect(board.read(Self.distributor) == 0)
    }
}
