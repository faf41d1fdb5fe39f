// QEMU's fw_cfg device (QEMU's docs/specs/fw_cfg.rst) with the items that kernels and firmware ask for: a selector of
// 16 bits at 0x510, the selected item's bytes at 0x511, one after the other, and from 0x514 on the address of a request
// that is carried out in guest memory. Left out: writes to items.

import Primitives

/// Ports 0x510, 0x511 and 0x514 to 0x51b; the device's registers are numbered from 0x510 on.
package struct FirmwareConfiguration: Equatable, Sendable {
    /// Numbers of items that every machine has, or that this file makes.
    private enum Key {
        static let signature: UInt16 = 0x00
        static let interfaces: UInt16 = 0x01
        static let memorySize: UInt16 = 0x03
        static let processorCount: UInt16 = 0x05
        static let maximumProcessors: UInt16 = 0x0f
        static let directory: UInt16 = 0x19
        static let firstFile: UInt16 = 0x20
    }

    private enum Register {
        static let selector = 0
        static let data = 1
        /// The request's address, its high half first, each with its high byte first.
        static let addressHigh = 4
        static let addressLow = 8
    }

    /// Bits of a request's control word.
    private enum Control {
        static let error: UInt32 = 1 << 0
        static let read: UInt32 = 1 << 1
        static let skip: UInt32 = 1 << 2
        static let select: UInt32 = 1 << 3
        static let write: UInt32 = 1 << 4
    }

    /// The ports, and requests in memory.
    private static let interfaces: UInt32 = 3
    private static let signature = Array("QEMU CFG".utf8)
    private static let nameSize = 56
    /// Bytes of a request.
    private static let requestSize = 16
    /// A request for more is refused: other work of the machine waits for it.
    private static let maximumLength: UInt32 = 256 << 20
    private static let chunk = 64 << 10

    private let items: [UInt16: [UInt8]]
    private var selected: UInt16 = 0
    private var offset = 0
    private var addressHigh: UInt32 = 0
    /// Where the request is that is to be served.
    private var request: UInt64?

    /// With `files` by their names, beside the numbered `items` and those that every machine has.
    package init(
        processorCount: Int = 1, memorySize: UInt64 = 0, items others: [UInt16: [UInt8]] = [:],
        files: [(name: String, bytes: [UInt8])] = []
    ) {
        func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.append(littleEndian: value)
            return bytes
        }
        var items = others
        items[Key.signature] = Array("QEMU".utf8)
        items[Key.interfaces] = bytes(Self.interfaces)
        items[Key.memorySize] = bytes(memorySize)
        items[Key.processorCount] = bytes(UInt16(processorCount))
        items[Key.maximumProcessors] = bytes(UInt16(processorCount))
        var directory = bytes(UInt32(files.count).byteSwapped)
        for (index, file) in files.enumerated() {
            let key = Key.firstFile + UInt16(index)
            items[key] = file.bytes
            let name = Array(file.name.utf8.prefix(Self.nameSize - 1))
            directory += bytes(UInt32(file.bytes.count).byteSwapped) + bytes(key.byteSwapped) + [0, 0] + name
            directory += [UInt8](repeating: 0, count: Self.nameSize - name.count)
        }
        items[Key.directory] = directory
        self.items = items
    }

    package mutating func reset() { (selected, offset, addressHigh, request) = (0, 0, 0, nil) }

    // MARK: - Ports

    /// Of an item a byte at a time, whatever the size; zeroes behind the end and for an item that there is not.
    package mutating func read(_ register: Int, size: Int) -> UInt64 {
        let value = inspect(register, size: size)
        if register == Register.data { advance(1) }
        return value
    }

    package func inspect(_ register: Int, size: Int) -> UInt64 {
        switch register {
        case Register.data: return UInt64(byte(at: offset))
        case Register.addressHigh...:
            let bytes = Self.signature.dropFirst(register - Register.addressHigh).prefix(size)
            return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        default: return 0
        }
    }

    /// True where a request is to be served now.
    package mutating func write(_ value: UInt64, to register: Int, size: Int) -> Bool {
        let word = UInt32(truncatingIfNeeded: value).byteSwapped
        switch (register, size) {
        case (Register.selector, 2): select(UInt16(truncatingIfNeeded: value))
        case (Register.addressHigh, 4): addressHigh = word
        case (Register.addressLow, 4):
            request = UInt64(addressHigh) << 32 | UInt64(word)
            addressHigh = 0
            return true
        default: break
        }
        return false
    }

    private mutating func select(_ key: UInt16) { (selected, offset) = (key, 0) }

    private mutating func advance(_ count: Int) { offset = min(offset, Int(UInt32.max)) + count }

    private func byte(at offset: Int) -> UInt8 {
        guard let item = items[selected], item.indices.contains(offset) else { return 0 }
        return item[offset]
    }

    // MARK: - Requests in memory

    package var hasWork: Bool { request != nil }

    /// Carries the request out: control, length and address, each with its high byte first.
    package mutating func serve(_ memory: some PhysicalMemory) {
        guard let address = request.map({ PhysicalAddress($0) }) else { return }
        request = nil
        var bytes = [UInt8](repeating: 0, count: Self.requestSize)
        // Without a place for the result there is none.
        guard memory.read(address, into: &bytes) else { return }
        let control = UInt32(bytes.number(at: 0, count: 4) as UInt64).byteSwapped
        let length = UInt32(bytes.number(at: 4, count: 4) as UInt64).byteSwapped
        let target = (bytes.number(at: 8, count: 8) as UInt64).byteSwapped
        if control & Control.select != 0 { select(UInt16(control >> 16)) }
        var isDone = true
        if control & Control.read != 0 {
            isDone = length <= Self.maximumLength && copy(Int(length), to: target, in: memory)
        } else if control & Control.write != 0 {
            isDone = false
        } else if control & Control.skip != 0 {
            advance(Int(length))
        }
        var result: [UInt8] = []
        result.append(littleEndian: (isDone ? 0 : Control.error).byteSwapped)
        _ = memory.write(address, result[...])
    }

    private mutating func copy(_ length: Int, to target: UInt64, in memory: some PhysicalMemory) -> Bool {
        let item = items[selected] ?? []
        var done = 0
        while done < length {
            let count = min(length - done, Self.chunk)
            var part = Array(item.dropFirst(offset).prefix(count))
            part += [UInt8](repeating: 0, count: count - part.count)
            let (address, overflow) = target.addingReportingOverflow(UInt64(done))
            guard !overflow, memory.write(PhysicalAddress(address), part[...]) else { return false }
            advance(count)
            done += count
        }
        return true
    }
}
