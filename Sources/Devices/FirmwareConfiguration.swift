// QEMU's fw_cfg device (QEMU's docs/specs/fw_cfg.rst) with the items that kernels and firmware ask for: a selector of
// 16 bits at 0x510, and the selected item's bytes at 0x511, one after the other. Left out: DMA, writes to items.

import Primitives

/// Ports 0x510 and 0x511.
package struct FirmwareConfiguration: Equatable, Sendable {
    /// Numbers of items.
    package enum Key {
        package static let signature: UInt16 = 0x00
        package static let interfaces: UInt16 = 0x01
        package static let memorySize: UInt16 = 0x03
        package static let processorCount: UInt16 = 0x05
        package static let kernelAddress: UInt16 = 0x07
        package static let kernelSize: UInt16 = 0x08
        package static let initrdAddress: UInt16 = 0x0a
        package static let initrdSize: UInt16 = 0x0b
        package static let maximumProcessors: UInt16 = 0x0f
        package static let kernelData: UInt16 = 0x11
        package static let initrdData: UInt16 = 0x12
        package static let commandLineAddress: UInt16 = 0x13
        package static let commandLineSize: UInt16 = 0x14
        package static let commandLineData: UInt16 = 0x15
        package static let setupAddress: UInt16 = 0x16
        package static let setupSize: UInt16 = 0x17
        package static let setupData: UInt16 = 0x18
        package static let directory: UInt16 = 0x19
        package static let firstFile: UInt16 = 0x20
    }

    /// Beside the selector and data ports there are none.
    private static let traditionalInterface: UInt32 = 1
    private static let nameSize = 56

    private let items: [UInt16: [UInt8]]
    private var selected: UInt16 = 0
    private var offset = 0

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
        items[Key.interfaces] = bytes(Self.traditionalInterface)
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

    package mutating func reset() { (selected, offset) = (0, 0) }

    /// A byte at a time, whatever the size; zeroes behind the end and for an item that there is not.
    package mutating func read(_ register: Int) -> UInt64 {
        let value = inspect(register)
        if register == 1, offset < .max { offset += 1 }
        return value
    }

    package func inspect(_ register: Int) -> UInt64 {
        guard register == 1, let item = items[selected], item.indices.contains(offset) else { return 0 }
        return UInt64(item[offset])
    }

    package mutating func write(_ value: UInt64, to register: Int, size: Int) {
        guard register == 0, size == 2 else { return }
        (selected, offset) = (UInt16(truncatingIfNeeded: value), 0)
    }
}
