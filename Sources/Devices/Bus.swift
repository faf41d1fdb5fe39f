// The buses: I/O ports and memory-mapped devices, each with its own type of address. What happens on them is the same
// and is in DeviceMap.swift.

import Primitives

/// An address on some bus.
package protocol BusAddress: Hashable, Comparable, Sendable {
    init(busAddress: UInt64)
    var busAddress: UInt64 { get }
}

/// An x86 I/O port number, 16 bits wide.
package struct IOPort: BusAddress {
    package var rawValue: UInt16

    package init(_ rawValue: UInt16) { self.rawValue = rawValue }
    package init(busAddress: UInt64) { rawValue = UInt16(busAddress) }
    package var busAddress: UInt64 { UInt64(rawValue) }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension IOPort: CustomStringConvertible {
    package var description: String { hexadecimal(rawValue, digits: 4) }
}

extension PhysicalAddress: BusAddress {
    package init(busAddress: UInt64) { self.init(busAddress) }
    package var busAddress: UInt64 { rawValue }
}

package typealias PortBus = Bus<IOPort>
package typealias MMIOBus = Bus<PhysicalAddress>

/// Devices and the addresses they answer at.
package struct Bus<Address: BusAddress>: Equatable, Sendable {
    /// One claim as a device makes it: `count` addresses from `base`, the first being its register `register`.
    package typealias Claim = (name: String, base: Address, count: Int, register: Int)

    /// One line of the bus's map.
    package struct Region: Hashable, Sendable {
        package let name: String
        package let base: Address
        /// Addresses claimed from `base`, at least 1.
        package let count: Int
        /// Which of the bus's devices answers.
        package let device: Int
        /// The device's interrupt line, where it has one.
        package let line: UInt32?
    }

    /// Accesses that met no device.
    package struct Unclaimed: Hashable, Sendable {
        package let reads: UInt64
        package let writes: UInt64
        package let lastAddress: Address?
    }

    private var map = DeviceMap()

    package init() {}

    /// Puts `device` on the bus and gives its number. Claims must not overlap others.
    @discardableResult
    package mutating func attach(_ device: Device, line: UInt32? = nil, at claims: [Claim]) -> Int {
        let number = map.add(device, line: line)
        for claim in claims {
            map.claim(
                name: claim.name, base: claim.base.busAddress, count: claim.count, device: number,
                firstRegister: claim.register
            )
        }
        return number
    }

    /// The map of the bus, by rising address.
    package var regions: [Region] {
        map.claims.map {
            Region(
                name: $0.name, base: Address(busAddress: $0.base), count: Int($0.count), device: $0.device,
                line: map.line(of: $0.device)
            )
        }
    }

    package var unclaimed: Unclaimed {
        Unclaimed(
            reads: map.unclaimedReads, writes: map.unclaimedWrites,
            lastAddress: map.lastUnclaimed.map(Address.init(busAddress:))
        )
    }

    /// The device that `attach` gave this number, as it is now.
    package func device(_ number: Int) -> Device { map.device(number) }

    /// Reads `size` bytes, 1 to 8.
    package mutating func read(at address: Address, size: Int, now: WallTime) -> Access {
        map.read(at: address.busAddress, size: size, now: now)
    }

    /// Writes the low `size` bytes of `value`, 1 to 8.
    package mutating func write(_ value: UInt64, at address: Address, size: Int, now: WallTime) -> Access {
        map.write(value, at: address.busAddress, size: size, now: now)
    }

    /// What `read` would give, without its side effects: for a debugger. Nil where no device answers.
    package func inspect(at address: Address, size: Int, now: WallTime) -> UInt64? {
        map.inspect(at: address.busAddress, size: size, now: now)
    }

    /// How many bytes of input `device` takes now without losing any.
    package func room(in device: Int) -> Int { map.room(in: device) }

    /// Hands `device` one byte of input. `accepted` is false when it, or one before it, was lost.
    package mutating func receive(_ byte: UInt8, in device: Int) -> (accepted: Bool, line: LineChange?) {
        map.receive(byte, in: device)
    }

    /// The same if the guest waits for it and there is room: else `isTaken` is false, and nothing happened.
    package mutating func offer(_ byte: UInt8, to device: Int) -> (isTaken: Bool, line: LineChange?) {
        guard map.inputRoom(in: device) > 0 else { return (false, nil) }
        return (true, receive(byte, in: device).line)
    }

    /// Lets something other than a guest's access or input happen to `device`.
    package mutating func signal(_ event: Device.Event, to device: Int) -> LineChange? {
        map.signal(event, to: device)
    }

    /// The level of an interrupt line as it was last reported; false where no device here drives it.
    package func level(ofLine line: UInt32) -> Bool { map.level(ofLine: line) }

    /// Serves one request that a driver left for a device (see `Effect.service`): what that does to the device's line,
    /// and what is wrong with the request; nil where there is none.
    package mutating func serve(
        _ memory: some PhysicalMemory, _ host: some VirtioHost
    ) -> (line: LineChange?, fault: VirtioFault?, name: String)? {
        map.serve(memory, host)
    }

    /// Brings every device to its power-on state but for what survives a reset (CMOS memory and clock); each device's line
    /// as it is then.
    @discardableResult
    package mutating func reset() -> [LineChange] { map.reset() }
}

extension MMIOBus {
    /// Puts virtio devices into the board's `places`, of which there must be enough.
    mutating func attach(_ devices: [VirtioDevice.Function], at places: [VirtioPlace]) {
        precondition(devices.count <= places.count, "a machine has \(places.count) virtio devices at most")
        for (function, place) in zip(devices, places) {
            let device = VirtioDevice(function)
            attach(
                .virtio(device), line: place.interrupt, at: [(device.name, place.address, VirtioPlace.size, 0)])
        }
    }
}
