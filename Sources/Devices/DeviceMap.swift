// Which device answers at which address, whatever kind of bus it is.
//
// An access belongs to the device that claims its first byte. Bytes past the end of that claim meet nothing: they read
// as ones and are dropped on a write. Within the claim a device of byte registers sees a wide access as bytes, lowest
// address first, as the ISA bus splits it. A device that takes whole accesses sees it as one: so a 32-bit write to the
// PCI address port 0xcf8 never trips over the reset register at 0xcf9 inside it.
//
// Not generic over the address, unlike `Bus`, so that an access stays far below the price of the exit that brought it.

import Primitives

/// Devices, their claims and their interrupt lines.
struct DeviceMap: Equatable, Sendable {
    struct Claim: Equatable, Sendable {
        let name: String
        let base: UInt64
        let count: UInt64
        let device: Int
        /// The device's own number for the register at `base`.
        let firstRegister: Int
    }

    private struct Slot: Equatable, Sendable {
        var device: Device
        let line: UInt32?
        /// The level that was last reported.
        var level = false
    }

    /// By rising address.
    private(set) var claims: [Claim] = []
    private(set) var unclaimedReads: UInt64 = 0
    private(set) var unclaimedWrites: UInt64 = 0
    private(set) var lastUnclaimed: UInt64?
    private var slots: [Slot] = []

    func device(_ number: Int) -> Device { slots[number].device }
    func line(of device: Int) -> UInt32? { slots[device].line }

    /// Gives the device's number.
    mutating func add(_ device: Device, line: UInt32?) -> Int {
        slots.append(Slot(device: device, line: line))
        return slots.count - 1
    }

    mutating func claim(name: String, base: UInt64, count: Int, device: Int, firstRegister: Int) {
        precondition(count > 0, "the claim \(name) is empty")
        claims.append(
            Claim(name: name, base: base, count: UInt64(count), device: device, firstRegister: firstRegister)
        )
        claims.sort { $0.base < $1.base }
        for (a, b) in zip(claims, claims.dropFirst()) {
            precondition(b.base - a.base >= a.count, "\(a.name) and \(b.name) overlap")
        }
    }

    // MARK: Access

    mutating func read(at address: UInt64, size: Int, now: WallTime) -> Access {
        guard let place = find(address, size: size) else {
            unclaimedReads &+= 1
            lastUnclaimed = address
            return Access(value: ones(size), isClaimed: false)
        }
        let room = slots[place.device].device.inputRoom
        let value = slots[place.device].device.read(register: place.register, size: place.reach, now: now)
        return Access(
            value: value | beyond(place.reach, of: size), line: lineChange(place.device),
            madeRoom: slots[place.device].device.inputRoom > room
        )
    }

    mutating func write(_ value: UInt64, at address: UInt64, size: Int, now: WallTime) -> Access {
        guard let place = find(address, size: size) else {
            unclaimedWrites &+= 1
            lastUnclaimed = address
            return Access(isClaimed: false)
        }
        let kept = value & ones(place.reach)
        let room = slots[place.device].device.inputRoom
        let response = slots[place.device].device.write(
            kept, register: place.register, size: place.reach, now: now
        )
        return Access(
            effect: response.effect, line: lineChange(place.device, droppedBetween: response.lineDropped),
            madeRoom: slots[place.device].device.inputRoom > room
        )
    }

    func inspect(at address: UInt64, size: Int, now: WallTime) -> UInt64? {
        guard let place = find(address, size: size) else { return nil }
        let value = slots[place.device].device.inspect(register: place.register, size: place.reach, now: now)
        return value | beyond(place.reach, of: size)
    }

    // MARK: From outside

    func room(in device: Int) -> Int { slots[device].device.room }
    func inputRoom(in device: Int) -> Int { slots[device].device.inputRoom }

    mutating func receive(_ byte: UInt8, in device: Int) -> (accepted: Bool, line: LineChange?) {
        let accepted = slots[device].device.receive(byte)
        return (accepted, lineChange(device))
    }

    mutating func signal(_ event: Device.Event, to device: Int) -> LineChange? {
        slots[device].device.handle(event)
        return lineChange(device)
    }

    /// Serves one request of the first device that has any; nil where there is none.
    mutating func serve(
        _ memory: some PhysicalMemory, _ host: some VirtioHost
    ) -> (line: LineChange?, fault: VirtioFault?, name: String)? {
        for i in slots.indices {
            switch slots[i].device {
            case .virtio(var device) where device.hasWork:
                device.serve(memory, host)
                slots[i].device = .virtio(device)
                return (lineChange(i), device.fault, device.name)
            case .firmware(var device) where device.hasWork:
                device.serve(memory)
                slots[i].device = .firmware(device)
                return (nil, nil, "")
            default: continue
            }
        }
        return nil
    }

    /// Every line as it is after the reset: raised or lowered, whatever was reported before.
    mutating func reset() -> [LineChange] {
        (unclaimedReads, unclaimedWrites, lastUnclaimed) = (0, 0, nil)
        return slots.indices.compactMap { i in
            slots[i].device.reset()
            slots[i].level = slots[i].device.interruptLevel
            return slots[i].line.map { LineChange(line: $0, action: slots[i].level ? .raise : .lower) }
        }
    }

    /// The level of an interrupt line as it was last reported; false where no device drives it.
    func level(ofLine line: UInt32) -> Bool {
        slots.indices.contains { slots[$0].line == line && slots[$0].level }
    }

    // MARK: Parts

    /// The device at `address`, its register there, and how many of `size` bytes lie in the claim.
    private func find(_ address: UInt64, size: Int) -> (device: Int, register: Int, reach: Int)? {
        precondition(size >= 1 && size <= 8, "an access has 1 to 8 bytes")
        var low = 0
        var high = claims.count
        while low < high {
            let middle = (low + high) / 2
            if claims[middle].base > address { high = middle } else { low = middle + 1 }
        }
        guard low > 0 else { return nil }
        let offset = address - claims[low - 1].base
        let count = claims[low - 1].count
        guard offset < count else { return nil }
        let register = claims[low - 1].firstRegister + Int(offset)
        let device = claims[low - 1].device
        let reach = slots[device].device.takesWholeAccesses ? size : Int(Swift.min(UInt64(size), count - offset))
        return (device, register, reach)
    }

    /// Ones for the bytes of an access of `size` bytes that lie beyond the first `reach`.
    private func beyond(_ reach: Int, of size: Int) -> UInt64 { ones(size) & ~ones(reach) }

    /// The lowest `bytes` bytes of a word set, 1 to 8.
    private func ones(_ bytes: Int) -> UInt64 { UInt64.max >> UInt64(64 - 8 * bytes) }

    /// What an access did to the line of `device`, given that it may have dropped and risen on the way.
    private mutating func lineChange(_ device: Int, droppedBetween dropped: Bool = false) -> LineChange? {
        guard let line = slots[device].line else { return nil }
        let level = slots[device].device.interruptLevel
        let action: LineChange.Action
        switch (slots[device].level, level) {
        case (false, true): action = .raise
        case (true, false): action = .lower
        case (true, true) where dropped: action = .pulseLow
        case (true, true), (false, false): return nil
        }
        slots[device].level = level
        return LineChange(line: line, action: action)
    }
}
