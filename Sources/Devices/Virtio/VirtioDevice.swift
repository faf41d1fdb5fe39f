// A virtio device on its memory-mapped transport (virtio 1.2, section 4.2; version 2 of the register layout), as a value:
// registers, negotiation of features, status, and one virtqueue. What the driver has put into the queue is served by
// `serve`, one request at a time, over guest memory and the host's files that are handed in. Left out: legacy drivers,
// packed virtqueues, shared memory, VIRTIO_F_RING_RESET, VIRTIO_F_EVENT_IDX.

import Primitives

/// What a virtio device needs of the host, by number of disk.
package protocol VirtioHost {
    /// Fills `bytes` from the disk's byte `offset` on.
    func read(_ disk: Int, at offset: UInt64, into bytes: inout [UInt8]) -> Bool
    func write(_ disk: Int, at offset: UInt64, _ bytes: [UInt8]) -> Bool
    /// What was written is on stable storage once this is done.
    func flush(_ disk: Int) -> Bool
    func fillRandom(_ bytes: inout [UInt8]) -> Bool
}

/// A block device or an entropy device.
package struct VirtioDevice: Equatable, Sendable {
    /// What it is (virtio 1.2, chapter 5).
    package enum Function: Equatable, Sendable {
        case block(VirtioBlock)
        case entropy
    }

    /// The device status field (2.1).
    struct Status: OptionSet, Hashable, Sendable {
        let rawValue: UInt32

        static let driverOK = Status(rawValue: 4)
        static let featuresOK = Status(rawValue: 8)
        static let needsReset = Status(rawValue: 0x40)
        /// Bits that the driver may set.
        static let ofDriver = Status(rawValue: 0x8F)
    }

    /// Bits of InterruptStatus.
    private enum Interrupt {
        static let usedBuffer: UInt32 = 1
        static let configuration: UInt32 = 2
    }

    package let function: Function
    private(set) var status: Status = []
    private var featurePage: UInt32 = 0
    private var driverFeaturePage: UInt32 = 0
    private var driverFeatures: UInt64 = 0
    private var selectedQueue: UInt32 = 0
    private var queue = VirtioQueue()
    private var interruptStatus: UInt32 = 0
    /// The driver has notified of requests that are not served yet.
    package private(set) var hasWork = false
    /// What the driver did wrong, until it resets the device.
    package private(set) var fault: VirtioFault?

    package init(_ function: Function) { self.function = function }

    package mutating func reset() { self = VirtioDevice(function) }

    package var interruptLevel: Bool { interruptStatus != 0 }

    /// How a map of the machine calls it.
    package var name: String {
        switch function {
        case .block(let block): "virtio disk \(block.description)"
        case .entropy: "virtio entropy source"
        }
    }

    private var features: UInt64 {
        var bits: UInt64 = 1 << Feature.version1 | 1 << Feature.indirectDescriptors
        if case .block(let block) = function { bits |= block.features }
        return bits
    }

    /// Feature bits of every device (chapter 6).
    private enum Feature {
        static let indirectDescriptors: UInt64 = 28
        static let version1: UInt64 = 32
    }

    // MARK: - Registers (4.2.2)

    private enum Register {
        static let magic = 0x000
        static let version = 0x004
        static let deviceID = 0x008
        static let vendorID = 0x00C
        static let deviceFeatures = 0x010
        static let deviceFeaturesPage = 0x014
        static let driverFeatures = 0x020
        static let driverFeaturesPage = 0x024
        static let queueSelect = 0x030
        static let queueMaximum = 0x034
        static let queueSize = 0x038
        static let queueReady = 0x044
        static let queueNotify = 0x050
        static let interruptStatus = 0x060
        static let interruptAcknowledge = 0x064
        static let status = 0x070
        static let descriptors = 0x080
        static let available = 0x090
        static let used = 0x0A0
        /// Length and address of a shared memory region, of which there is none: ones.
        static let sharedMemory = 0x0B0..<0x0C0
        static let configuration = 0x100
    }

    /// Any part of the registers reads as what it holds; nothing changes by that.
    package func read(_ register: Int, size: Int) -> UInt64 {
        if register >= Register.configuration {
            guard case .block(let block) = function else { return 0 }
            return block.configuration(at: register - Register.configuration, size: size)
        }
        var value: UInt64 = 0
        for i in 0..<size {
            let byte = word((register + i) & ~3) >> UInt32(((register + i) & 3) * 8) & 0xFF
            value |= UInt64(byte) << UInt64(8 * i)
        }
        return value
    }

    private func word(_ register: Int) -> UInt32 {
        switch register {
        case Register.magic: return 0x7472_6976  // "virt"
        case Register.version: return 2
        case Register.deviceID:
            switch function {
            case .block: return 2
            case .entropy: return 4
            }
        case Register.vendorID: return 0x5456_5453  // "STVT"
        case Register.deviceFeatures:
            return featurePage < 2 ? UInt32(truncatingIfNeeded: features >> UInt64(featurePage * 32)) : 0
        case Register.queueMaximum: return selectedQueue == 0 ? VirtioQueue.maximumSize : 0
        case Register.queueReady: return selectedQueue == 0 && queue.isReady ? 1 : 0
        case Register.interruptStatus: return interruptStatus
        case Register.status: return status.rawValue
        case _ where Register.sharedMemory.contains(register): return .max
        default: return 0
        }
    }

    /// A register is written as a whole; other writes are dropped. True where there are requests to serve now.
    package mutating func write(_ value: UInt64, to register: Int, size: Int) -> Bool {
        guard size == 4 else { return false }
        let value = UInt32(truncatingIfNeeded: value)
        switch register {
        case Register.deviceFeaturesPage: featurePage = value
        case Register.driverFeaturesPage: driverFeaturePage = value
        case Register.driverFeatures:
            guard !status.contains(.featuresOK), driverFeaturePage < 2 else { break }
            let shift = UInt64(driverFeaturePage * 32)
            driverFeatures = driverFeatures & ~(0xFFFF_FFFF << shift) | UInt64(value) << shift
        case Register.queueSelect: selectedQueue = value
        case Register.queueNotify: return notify(value)
        case Register.interruptAcknowledge: interruptStatus &= ~value
        case Register.status: writeStatus(value)
        default: writeQueue(value, register)
        }
        return false
    }

    private mutating func writeStatus(_ value: UInt32) {
        if value & 0xFF == 0 { return reset() }
        var wanted = Status(rawValue: value).intersection(.ofDriver)
        let isAgreed = driverFeatures & ~features == 0 && driverFeatures >> Feature.version1 & 1 == 1
        if !isAgreed { wanted.remove(.featuresOK) }
        if !status.union(wanted).contains(.featuresOK) { wanted.remove(.driverOK) }
        // Only a reset clears bits.
        status.formUnion(wanted)
    }

    /// Of a queue in use nothing can be changed but that it is.
    private mutating func writeQueue(_ value: UInt32, _ register: Int) {
        guard selectedQueue == 0 else { return }
        if register == Register.queueReady {
            if value & 1 == 0 { hasWork = false }
            return queue.setReady(value & 1 == 1)
        }
        guard !queue.isReady else { return }
        func set(_ address: inout UInt64, _ first: Int) {
            let shift = UInt64((register - first) * 8)
            address = address & ~(0xFFFF_FFFF << shift) | UInt64(value) << shift
        }
        switch register {
        case Register.queueSize: queue.size = value
        case Register.descriptors, Register.descriptors + 4: set(&queue.descriptors, Register.descriptors)
        case Register.available, Register.available + 4: set(&queue.available, Register.available)
        case Register.used, Register.used + 4: set(&queue.used, Register.used)
        default: break
        }
    }

    private mutating func notify(_ number: UInt32) -> Bool {
        guard number == 0, queue.isReady, status.contains(.driverOK), fault == nil else { return false }
        hasWork = true
        return true
    }

    // MARK: - Requests

    /// Serves the next request that the driver has put into the queue, if there is one.
    package mutating func serve(_ memory: some PhysicalMemory, _ host: some VirtioHost) {
        guard hasWork else { return }
        do throws(VirtioFault) {
            let takesTables = driverFeatures >> Feature.indirectDescriptors & 1 == 1
            guard let chain = try queue.take(from: memory, indirect: takesTables) else {
                hasWork = false
                return
            }
            let written =
                switch function {
                case .block(let block): try block.serve(chain, memory, host, driverFeatures)
                case .entropy: Self.fill(chain, memory, host)
                }
            try queue.finish(chain, written: written, in: memory)
            if try queue.wantsInterrupt(memory) { interruptStatus |= Interrupt.usedBuffer }
        } catch {
            // The driver can do no more than reset the device (2.1.2).
            fault = error
            hasWork = false
            status.insert(.needsReset)
            interruptStatus |= Interrupt.configuration
        }
    }

    /// The entropy device (5.4): as much as one reading gives, the driver asks again for more.
    private static func fill(_ chain: VirtioChain, _ memory: some PhysicalMemory, _ host: some VirtioHost) -> UInt32 {
        var bytes = [UInt8](repeating: 0, count: Int(min(chain.writable.count, UInt64(VirtioBuffer.chunk))))
        guard host.fillRandom(&bytes), chain.writable.write(bytes, at: 0, in: memory) else { return 0 }
        return UInt32(bytes.count)
    }
}
