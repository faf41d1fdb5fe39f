import Devices
import Primitives
import TestSupport
import Testing

/// Several threads access one device; what each access did to its line is passed on after the access, in any order.
@Suite("Order of a line's changes")
struct LineOrderTests {
    /// A UART with its line, and the input of a controller that it drives.
    private struct Wire {
        var bus = PortBus()
        let uart: Int
        var level = false
        var edges = 0
        private static let line: UInt32 = 4
        private static let base = IOPort(0x3f8)
        private let now = WallTime(0)

        init() {
            uart = bus.attach(.uart(UART16550()), line: Self.line, at: [("COM1", Self.base, 8, 0)])
            // Interrupts for received bytes, and OUT2, which lets them out.
            _ = bus.write(1, at: IOPort(0x3f9), size: 1, now: now)
            _ = bus.write(8, at: IOPort(0x3fc), size: 1, now: now)
        }

        mutating func receive() -> LineChange? { bus.receive(0x41, in: uart).line }

        mutating func take() -> LineChange? { bus.read(at: Self.base, size: 1, now: now).line }

        var isHigh: Bool { bus.level(ofLine: Self.line) }

        mutating func pass(_ change: LineChange) {
            switch change.updated(to: isHigh).action {
            case .raise: set(true)
            case .lower: set(false)
            case .pulseLow:
                set(false)
                set(true)
            }
        }

        private mutating func set(_ new: Bool) {
            if new, !level { edges += 1 }
            level = new
        }
    }

    @Test("whatever the order in which changes are passed on, the input ends as the line is, and a new rise is an edge")
    func order() {
        var random = Seeded(20_261_201)
        for _ in 0..<2_000 {
            var wire = Wire()
            var waiting: [LineChange] = []
            var edgesBeforeRise = 0
            for _ in 0..<Int.random(in: 2...12, using: &random) {
                if let change = Bool.random(using: &random) ? wire.receive() : wire.take() {
                    if change.action == .raise { edgesBeforeRise = wire.edges }
                    waiting.append(change)
                }
                while !waiting.isEmpty, Bool.random(using: &random) {
                    wire.pass(waiting.remove(at: Int.random(in: waiting.indices, using: &random)))
                }
            }
            while !waiting.isEmpty { wire.pass(waiting.remove(at: Int.random(in: waiting.indices, using: &random))) }
            #expect(wire.level == wire.isHigh)
            if wire.isHigh { #expect(wire.edges > edgesBeforeRise) }
        }
    }

    @Test("changes that are passed on in turn are passed on unchanged")
    func inTurn() {
        var wire = Wire()
        let rise = wire.receive()
        #expect(rise == rise?.updated(to: wire.isHigh) && rise?.action == .raise)
        let fall = wire.take()
        #expect(fall == fall?.updated(to: wire.isHigh) && fall?.action == .lower)
    }
}
