import Boot
import Debugger
import Devices
import Host
import Primitives
import Synchronization

/// What vCPU threads share while they run, each part with a lock of its own. A class, since Swift 6.0.3 fails to compile a
/// structure of these in the release configuration.
final class SharedState: Sendable {
    private let pc: Mutex<PCPlatform>
    private let arm: Mutex<ArmPlatform>
    /// When the real-time clock next raises its line, in nanoseconds of model time.
    let clockDue = Atomic<UInt64>(.max)
    /// Drivers may have left requests that no vCPU has served yet.
    let hasDeviceWork = Atomic<Bool>(false)
    /// Held while a device's line is passed on.
    let lineOrder = Mutex(())
    /// Where breakpoints are planted besides, and for which addresses (see BreakpointCopies).
    let copies = Mutex<[PhysicalAddress: VirtualAddress]>([:])
    /// Caught inputs by their vectors (see `applyLineCatches`).
    let lineVectors = Mutex<[UInt8: Int]>([:])

    init(_ configuration: MachineConfiguration) {
        let size = configuration.memory.size
        let below = min(size, MachineMemory.deviceHole.lowerBound.rawValue)
        pc = Mutex(
            PCPlatform(
                memoryBelow4GiB: below, memoryAbove4GiB: size - below,
                firmware: FirmwareConfiguration(
                    processorCount: configuration.processorCount, memorySize: size,
                    items: configuration.image.firmwareItems.items,
                    files: configuration.image.firmwareItems.files.map { ($0.name, $0.bytes) }),
                virtio: configuration.virtio.functions))
        arm = Mutex(ArmPlatform(virtio: configuration.virtio.functions))
    }

    func bus<R>(_ body: (inout sending PCPlatform) -> R) -> R { pc.withLock { body(&$0) } }

    func armBus<R>(_ body: (inout sending ArmPlatform) -> R) -> R { arm.withLock { body(&$0) } }
}

extension VirtualMachine {
    /// The devices of a PC.
    func bus<R>(_ body: (inout sending PCPlatform) -> R) -> R { shared.bus(body) }

    /// The devices of an arm64 machine.
    func armBus<R>(_ body: (inout sending ArmPlatform) -> R) -> R { shared.armBus(body) }
}

/// The machine between its start and its end: changed while all vCPUs are parked.
struct RunState {
    let started = Clock.monotonic
    let ending = Condition<Ending?>(nil)
    let haltWatch = HaltWatch()
    var hasStarted = false
    /// The guest asked for a reset, which is done when it is resumed: until then it can be looked at.
    var isResetPending = false
    /// Each vCPU's stop is reported by itself (see ResumePlan).
    var reportsEachStop = false
    /// KVM can mark in the guest's clock that it was stopped.
    let marksPauses: Bool
    var pauseMark = PauseMark()

    init(marksPauses: Bool) { self.marksPauses = marksPauses }
}
