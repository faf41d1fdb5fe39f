import Devices
import Host
import KVM
import Synchronization

// Time: the interrupt controllers' timers and the real-time clock. One vCPU's alarm serves all of them.
extension VirtualMachine {
    var now: WallTime {
        let (seconds, nanosecond) = Clock.realTime.quotientAndRemainder(dividingBy: 1_000_000_000)
        return WallTime(Int64(seconds), nanosecond: nanosecond, uptime: uptime)
    }

    /// Model time, which is stopped while the machine is. The kernel's timers continue, and there it is the host's.
    private var uptime: UInt64 { model?.moment(on: nil).nanoseconds ?? Clock.monotonic }

    /// Sets the calling vCPU's alarm for the next timer, or for `limit` where that is earlier.
    func setAlarm(of processor: Processor, noLaterThan limit: UInt64 = .max) {
        setAlarm(of: processor, for: model?.nextDeadline, noLaterThan: limit)
    }

    /// The same where the next timer of the interrupt controllers is known: in model time.
    func setAlarm(of processor: Processor, for deadline: UInt64?, noLaterThan limit: UInt64 = .max) {
        let due = min(deadline ?? .max, shared.clockDue.load(ordering: .relaxed))
        guard due != .max || limit != .max else { return }
        // A guest may ask for the last nanosecond there is.
        let (moment, isBeyond) = due.addingReportingOverflow(model?.pausedTime ?? 0)
        processor.setAlarm(min(limit, isBeyond ? .max : moment))
    }

    /// Timers that are due: after any call of the vCPU out of the guest.
    func advance(on processor: Processor) throws(KVMError) {
        model?.advance(on: processor)
        let due = shared.clockDue.load(ordering: .relaxed)
        guard due != .max, due <= uptime else { return }
        if let line = bus({ $0.advance(to: now) }) { try change(line, by: processor) }
        followClock(by: processor)
    }

    /// The real-time clock was accessed, or its time has come: the next time may be another.
    func followClock(by processor: Processor) {
        let due = bus { $0.due(at: now) } ?? .max
        // The alarm may have been the clock's: then the next timer's has to be set again.
        if shared.clockDue.exchange(due, ordering: .relaxed) != due { setAlarm(of: processor) }
    }
}
