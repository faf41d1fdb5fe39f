import Primitives
import TestSupport
import Testing

@testable import Devices

/// The transport and its queue.
@Suite struct VirtioTests {
    private typealias Register = VirtioDriver.Register

    @Test("a driver recognises the device by its registers")
    func identity() {
        let disk = VirtioDriver.disk()
        #expect(disk.get(0) == 0x7472_6976 && disk.get(4) == 2 && disk.get(8) == 2)
        #expect(VirtioDriver(.entropy).get(8) == 4)
        #expect(disk.get(0x34) == 256)
        // There is no shared memory: its length is -1.
        #expect(disk.get(0xb0) == 0xffff_ffff && disk.get(0xbc) == 0xffff_ffff)
        // Parts of a register, and two at once.
        #expect(disk.get(1, 2) == 0x7269 && disk.get(0, 8) == 0x2_7472_6976)
    }

    @Test(
        "features are agreed on only where the device has them all, version 1 among them",
        arguments: [(0, true), (1 << 28, true), (1 << 9, true), (1 << 5, false), (1 << 29, false), (1 << 33, false)]
            as [(UInt64, Bool)])
    func features(extra: UInt64, isAgreed: Bool) {
        let disk = VirtioDriver.disk()
        #expect(disk.offered() == 1 << 32 | 1 << 28 | 1 << 9 | 1 << 6 | 1 << 2)
        #expect(disk.start(features: 1 << 32 | extra) == (isAgreed ? 0xf : 0x3))
        #expect(disk.start(features: extra) == 0x3)
        let fixed = VirtioDriver.disk(readOnly: true)
        #expect(fixed.offered() & 1 << 5 != 0)
    }

    @Test("status bits stay until a reset, which brings back everything")
    func status() {
        let disk = VirtioDriver.disk()
        let fresh = disk.device
        disk.start()
        disk.put(1, Register.status)
        #expect(disk.get(Register.status) == 0xf)
        // The driver cannot say that the device needs a reset.
        disk.put(0x40, Register.status)
        #expect(disk.get(Register.status) == 0xf)
        disk.put(0x80, Register.status)
        #expect(disk.get(Register.status) == 0x8f)
        disk.put(0, Register.status)
        #expect(disk.device == fresh)
    }

    @Test(
        "a queue of a wrong size or at a wrong place is not put to use",
        arguments: [
            (0, 0, 0, 0), (3, 0, 0, 0), (512, 0, 0, 0), (8, 8, 0, 0), (8, 0, 1, 0), (8, 0, 0, 2),
        ] as [(UInt64, UInt64, UInt64, UInt64)])
    func wrongQueue(size: UInt64, descriptors: UInt64, available: UInt64, used: UInt64) {
        let disk = VirtioDriver.disk()
        disk.setQueue()
        disk.put(size, Register.size)
        for (register, offset) in [(0x80, descriptors), (0x90, available), (0xa0, used)] {
            disk.put(0x2000 + offset, register)
        }
        disk.put(1, Register.ready)
        #expect(disk.get(Register.ready) == 0)
    }

    @Test("a queue in use does not move, and one that there is not does nothing")
    func fixedQueue() {
        let disk = VirtioDriver.disk()
        disk.start()
        for register in [0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, Register.size] { disk.put(0xffff_fff0, register) }
        #expect(disk.request(0, 1, [UInt8](repeating: 0, count: 512))?.status == 0)
        disk.put(1, 0x30)
        #expect(disk.get(0x34) == 0 && disk.get(Register.ready) == 0)
        disk.put(0, Register.ready)
        disk.put(0, 0x30)
        #expect(disk.get(Register.ready) == 1)
        #expect(!disk.put(1, Register.notify) && !disk.put(.max, Register.notify))
        // Taken out of use and put to use again, it begins at its beginning.
        disk.put(0, Register.ready)
        #expect(!disk.put(0, Register.notify))
        disk.setQueue()
        disk.put(1, Register.ready)
        #expect(disk.request(0, 1, [UInt8](repeating: 0, count: 512))?.status == 0)
    }

    @Test("nothing is served before the driver is ready, and writes of other widths are dropped")
    func notReady() {
        let disk = VirtioDriver.disk()
        disk.setQueue()
        disk.put(1, Register.ready)
        #expect(!disk.put(0, Register.notify))
        disk.put(0x4, Register.status)
        #expect(disk.get(Register.status) == 0 && !disk.put(0, Register.notify))
        disk.start()
        for size in [1, 2, 8] { #expect(!disk.put(0, Register.notify, size)) }
        disk.put(0, Register.status, 1)
        #expect(disk.get(Register.status) == 0xf)
    }

    @Test("what was used raises the line until it is acknowledged, unless the driver wants no interrupt")
    func interrupt() {
        let disk = VirtioDriver.disk()
        disk.start()
        let sector = [UInt8](repeating: 0, count: 512)
        #expect(disk.request(0, 0, sector) != nil)
        #expect(disk.device.interruptLevel && disk.get(Register.interrupt) == 1)
        disk.put(2, Register.acknowledge)
        #expect(disk.device.interruptLevel)
        disk.put(1, Register.acknowledge)
        #expect(!disk.device.interruptLevel)
        disk.memory.store(1, VirtioDriver.available, 2)
        #expect(disk.request(0, 0, sector) != nil)
        #expect(!disk.device.interruptLevel)
    }

    @Test("the rings' indices wrap around")
    func wrapping() {
        let random = VirtioDriver(.entropy)
        random.start()
        random.chain([(VirtioDriver.data, 8, true)])
        for round in 0..<66_000 {
            random.offer(0)
            guard random.notify() == 2, random.usedCount == (round + 1) & 0xffff else {
                Issue.record("round \(round)")
                return
            }
        }
    }

    @Test("an entropy device fills what it is given, in pieces")
    func entropy() {
        let random = VirtioDriver(.entropy)
        random.start()
        random.chain([
            (VirtioDriver.data, 3, true), (VirtioDriver.data + 100, 0, true), (VirtioDriver.data + 8, 4, true),
        ])
        random.offer(0)
        random.notify()
        #expect(random.usedCount == 1 && random.usedLength(0) == 7)
        #expect(random.memory.number(VirtioDriver.data, 4) == 0x030201)
        #expect(random.memory.number(VirtioDriver.data + 8, 4) == 0x0706_0504)
    }

    // MARK: - Wrong drivers

    /// What is wrong with a request, and what comes of it.
    struct Mistake: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let fault: VirtioFault
        let make: @Sendable (VirtioDriver) -> Void

        init(_ name: String, _ fault: VirtioFault, _ make: @escaping @Sendable (VirtioDriver) -> Void) {
            (testDescription, self.fault, self.make) = (name, fault, make)
        }
    }

    static let mistakes: [Mistake] = [
        Mistake("a chain that leads back", .endlessChain) { driver in
            driver.describe(0, VirtioDriver.data, 16, flags: 1, next: 1)
            driver.describe(1, VirtioDriver.data, 16, flags: 1, next: 0)
            driver.offer(0)
        },
        Mistake("a head that there is not", .descriptorIndex) { $0.offer(8) },
        Mistake("a next descriptor that there is not", .descriptorIndex) { driver in
            driver.describe(0, VirtioDriver.data, 16, flags: 1, next: 300)
            driver.offer(0)
        },
        Mistake("an index far ahead", .availableIndex) { $0.memory.store(9, VirtioDriver.available + 2, 2) },
        Mistake("a read buffer behind a written one", .order) { driver in
            driver.chain([
                (VirtioDriver.data, 16, false), (VirtioDriver.data, 512, true), (VirtioDriver.data, 1, false),
            ])
            driver.offer(0)
        },
        Mistake("no status", .shortRequest) { driver in
            driver.chain([(VirtioDriver.data, 16, false)])
            driver.offer(0)
        },
        Mistake("half a header", .shortRequest) { driver in
            driver.chain([(VirtioDriver.data, 8, false), (VirtioDriver.data, 513, true)])
            driver.offer(0)
        },
        Mistake("a status outside of memory", .shortRequest) { driver in
            driver.chain([(VirtioDriver.data, 16, false), (0, 1, true)])
            driver.offer(0)
        },
        Mistake("a table that is no whole number of descriptors", .indirectTable) { driver in
            driver.describe(0, VirtioDriver.table, 24, flags: 4)
            driver.offer(0)
        },
        Mistake("a table without end", .indirectTable) { driver in
            driver.describe(0, VirtioDriver.table, 0xffff_fff0, flags: 4)
            driver.offer(0)
        },
        Mistake("a table in a table", .indirectTable) { driver in
            driver.describe(0, VirtioDriver.table, 16, flags: 4)
            driver.describe(0, VirtioDriver.table, 16, flags: 4, at: VirtioDriver.table)
            driver.offer(0)
        },
        Mistake("a table that leads back", .endlessChain) { driver in
            driver.describe(0, VirtioDriver.table, 32, flags: 4)
            driver.describe(0, VirtioDriver.data, 16, flags: 1, next: 0, at: VirtioDriver.table)
            driver.offer(0)
        },
        Mistake("a table outside of memory", .unmapped(PhysicalAddress(0xffff_ffff_ffff_fff0))) { driver in
            driver.describe(0, 0xffff_ffff_ffff_fff0, 32, flags: 4)
            driver.offer(0)
        },
    ]

    @Test("a driver's mistake ends the device until its reset, and nothing else", arguments: mistakes)
    func mistake(mistake: Mistake) {
        let disk = VirtioDriver.disk()
        disk.start()
        mistake.make(disk)
        #expect(disk.notify() == 1)
        #expect(disk.device.fault == mistake.fault)
        #expect(disk.get(Register.status) == 0x4f && disk.get(Register.interrupt) == 2 && disk.usedCount == 0)
        #expect(!disk.put(0, Register.notify))
        disk.start()
        #expect(disk.request(0, 0, [UInt8](repeating: 0, count: 512))?.status == 0)
        #expect(disk.device.fault == nil)
    }

    @Test("a table of descriptors is none where it was not agreed on")
    func tableNotAgreed() {
        let disk = VirtioDriver.disk()
        disk.start(features: 1 << 32)
        #expect(disk.request(0, 0, [UInt8](repeating: 0, count: 512), isIndirect: true) == nil)
        #expect(disk.device.fault == .indirectTable)
    }

    @Test(
        "a queue outside of memory ends the device",
        arguments: [(0x80, 0xffff_f000), (0x90, 0x800), (0xa0, 0x10_0000)]
            as [(Int, UInt64)])
    func queueOutside(register: Int, address: UInt64) {
        let disk = VirtioDriver.disk()
        disk.start()
        disk.put(0, Register.ready)
        disk.put(address, register)
        disk.put(1, Register.ready)
        disk.chain([(VirtioDriver.data, 16, false), (VirtioDriver.data + 16, 513, true)])
        disk.offer(0)
        disk.notify()
        #expect(disk.get(Register.status) == 0x4f)
    }

    // MARK: - On the board

    @Test("the boards have virtio devices at their places, and a notice asks for service")
    func board() {
        let functions: [VirtioDevice.Function] = [
            .block(VirtioBlock(disk: 0, sectors: 1, isReadOnly: true, name: "a")), .entropy,
        ]
        var pc = PCPlatform(virtio: functions)
        #expect(
            pc.memory.regions.map { [$0.base.rawValue, UInt64($0.line ?? 0)] } == [
                [0xfeb0_0000, 5], [0xfeb0_0200, 10],
            ])
        #expect(pc.memory.regions[0].name == "virtio disk 0: a, 1 sectors, read-only")
        #expect(pc.memory.inspect(at: PhysicalAddress(0xfeb0_0208), size: 4, now: epoch) == 4)
        #expect(
            ArmPlatform(virtio: functions).memory.regions.dropFirst(1).map { [$0.base.rawValue, UInt64($0.line ?? 0)] }
                == [[0xa00_0000, 48], [0xa00_0200, 49]])
        let driver = VirtioDriver(.entropy)
        func put(_ value: UInt64, _ register: Int) -> Access {
            pc.memory.write(value, at: PhysicalAddress(0xfeb0_0200) + register, size: 4, now: epoch)
        }
        driver.start()
        driver.chain([(VirtioDriver.data, 8, true)])
        driver.offer(0)
        for (value, register) in [
            (1, 0x24), (1, 0x20), (0xb, 0x70), (8, 0x38), (0x2000, 0x80), (0x3000, 0x90),
            (0x4000, 0xa0), (1, 0x44), (0xf, 0x70),
        ] as [(UInt64, Int)] {
            #expect(put(value, register) == Access())
        }
        #expect(put(0, 0x50) == Access(effect: .service))
        #expect(pc.memory.serve(driver.memory, driver.host)?.line == LineChange(line: 10, action: .raise))
        #expect(pc.memory.level(ofLine: 10))
        #expect(pc.memory.serve(driver.memory, driver.host)?.line == nil)
        #expect(pc.memory.serve(driver.memory, driver.host) == nil)
        #expect(put(1, 0x64).line == LineChange(line: 10, action: .lower))
        let fresh = PCPlatform(virtio: functions)
        pc.reset()
        #expect(pc == fresh)
    }
}
