import Interrupts
import Primitives

/// A moment at which only the time matters.
func at(_ nanoseconds: UInt64) -> ModelTime { ModelTime(nanoseconds: nanoseconds, timeStamp: nanoseconds) }

/// A PC as its tests want it: `on` switches the local APICs on and starts every processor.
func machine(_ processors: Int = 1, on: Bool = true, timerPin: Int = 2) -> Board {
    var configuration = PCInterruptController.Configuration()
    configuration.processors = processors
    configuration.timerPin = timerPin
    let board = Board(configuration)
    if on { board.start() }
    return board
}

/// A controller behind a reference, so that an expectation can hold a call that changes it; with the accesses that
/// tests make most.
@dynamicMemberLookup
final class Board {
    var controller: PCInterruptController

    init(_ configuration: PCInterruptController.Configuration) { controller = PCInterruptController(configuration) }

    subscript<T>(dynamicMember path: KeyPath<PCInterruptController, T>) -> T { controller[keyPath: path] }

    /// Every application processor gets INIT and a start-up message, every local APIC is switched on.
    func start() {
        if controller.locals.count > 1 {
            put(0x300, 0xc_4500)
            put(0x300, 0xc_4610)
        }
        for cpu in controller.locals.indices { put(0x0f0, 0x1ff, cpu) }
    }

    // MARK: Registers

    /// Writes a local APIC register through the page.
    @discardableResult
    func put(_ offset: UInt64, _ value: UInt32, _ cpu: Int = 0, at now: ModelTime = at(0)) -> InterruptOutcome {
        write(UInt64(value), offset, 4, cpu, at: now)
    }

    @discardableResult
    func write(
        _ value: UInt64, _ offset: UInt64, _ size: Int, _ cpu: Int = 0, at now: ModelTime = at(0)
    ) -> InterruptOutcome {
        let address = PhysicalAddress(controller.locals[cpu].pageAddress.rawValue + offset)
        return controller.writeMemory(value, address, size: size, cpu, at: now) ?? InterruptOutcome()
    }

    /// Reads a local APIC register through the page; nil when no page answers.
    func get(_ offset: UInt64, _ cpu: Int = 0, at now: ModelTime = at(0)) -> UInt32? {
        read(offset, 4, cpu, at: now).map { UInt32(truncatingIfNeeded: $0) }
    }

    func read(_ offset: UInt64, _ size: Int, _ cpu: Int = 0, at now: ModelTime = at(0)) -> UInt64? {
        let address = PhysicalAddress(controller.locals[cpu].pageAddress.rawValue + offset)
        return controller.readMemory(address, size: size, cpu, at: now).map(\.value)
    }

    /// Writes an MSR: false for #GP.
    @discardableResult
    func wrmsr(_ number: UInt32, _ value: UInt64, _ cpu: Int = 0, at now: ModelTime = at(0)) -> Bool {
        controller.writeRegister(number, value, cpu, at: now).map { !$0.isFault } ?? false
    }

    /// Reads an MSR: nil for #GP.
    func rdmsr(_ number: UInt32, _ cpu: Int = 0, at now: ModelTime = at(0)) -> UInt64? {
        controller.readRegister(number, cpu, at: now).flatMap { $0.isFault ? nil : $0.value }
    }

    /// Writes a register of the I/O APIC through its window.
    @discardableResult
    func putIO(_ register: UInt32, _ value: UInt32, at now: ModelTime = at(0)) -> InterruptOutcome {
        _ = controller.writeMemory(UInt64(register), IOAPIC.page, size: 4, 0, at: now)
        return controller.writeMemory(UInt64(value), IOAPIC.page + 0x10, size: 4, 0, at: now) ?? InterruptOutcome()
    }

    func getIO(_ register: UInt32) -> UInt32 {
        _ = controller.writeMemory(UInt64(register), IOAPIC.page, size: 4, 0, at: at(0))
        let value = controller.readMemory(IOAPIC.page + 0x10, size: 4, 0, at: at(0))?.value ?? 0
        return UInt32(truncatingIfNeeded: value)
    }

    /// Programs a pin: destination first, as drivers do.
    @discardableResult
    func program(_ pin: Int, _ low: UInt32, to destination: UInt32 = 0, at now: ModelTime = at(0)) -> InterruptOutcome {
        putIO(UInt32(0x11 + 2 * pin), destination << 24, at: now)
        return putIO(UInt32(0x10 + 2 * pin), low, at: now)
    }

    func out(_ port: UInt16, _ value: UInt8, at now: ModelTime = at(0)) {
        _ = controller.writePort(port, value, at: now)
    }

    func inp(_ port: UInt16, at now: ModelTime = at(0)) -> UInt8 {
        UInt8(truncatingIfNeeded: controller.readPort(port, at: now)?.value ?? 0xff)
    }

    // MARK: Events

    func pending(_ cpu: Int = 0) -> PendingInterrupt? { controller.pending(cpu) }

    func acknowledge(_ cpu: Int = 0, at now: ModelTime = at(0)) -> UInt8? {
        controller.acknowledge(cpu, at: now).vector
    }

    /// Takes what waits: the vector, or nil where nothing is pending.
    func take(_ cpu: Int = 0, at now: ModelTime = at(0)) -> UInt8? {
        controller.pending(cpu) == nil ? nil : acknowledge(cpu, at: now)
    }

    func eoi(_ cpu: Int = 0, at now: ModelTime = at(0)) { put(0x0b0, 0, cpu, at: now) }

    @discardableResult
    func line(_ number: Int, _ level: Bool, at now: ModelTime = at(0)) -> InterruptOutcome {
        controller.setLine(number, level, at: now)
    }

    @discardableResult
    func pulse(_ number: Int, at now: ModelTime = at(0)) -> InterruptOutcome { controller.pulseLine(number, at: now) }

    @discardableResult
    func message(_ address: UInt64, _ data: UInt32, at now: ModelTime = at(0)) -> InterruptOutcome {
        controller.signal(address: address, data: data, at: now)
    }

    @discardableResult
    func advance(_ nanoseconds: UInt64) -> InterruptOutcome { controller.advance(to: at(nanoseconds)) }

    @discardableResult
    func setCR8(_ value: UInt8, _ cpu: Int = 0) -> InterruptOutcome { controller.setCR8(value, cpu, at: at(0)) }

    // MARK: 8259

    /// The pair as a PC's system sets it up: vectors 0x30 and 0x38, everything unmasked; `mode` is ICW4.
    func initializePair(mode: UInt8 = 1, slaveMode: UInt8 = 1) {
        let chips: [(UInt16, UInt8, UInt8, UInt8)] = [(0x20, 0x30, 4, mode), (0xa0, 0x38, 2, slaveMode)]
        for (port, base, wire, mode) in chips {
            out(port, 0x11)
            for word in [base, wire, mode, 0] { out(port + 1, word) }
        }
    }

    // MARK: Record

    /// The kinds of mistake on record.
    var mistakes: [GuestMistake.Kind] { controller.journal.warnings.entries.map(\.mistake.kind) }
}
