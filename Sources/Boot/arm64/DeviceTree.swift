// The flattened device tree, version 17 (Devicetree Specification v0.4, chapter 5), as a value: nodes and properties in,
// a blob out. Leaves out: memory reservations, overlays, symbols.

import Primitives

/// A device tree under construction.
struct DeviceTree: Equatable, Sendable {
    struct Property: Equatable, Sendable {
        let name: String
        let value: [UInt8]

        init(_ name: String, _ value: [UInt8] = []) {
            self.name = name
            self.value = value
        }

        /// Big-endian words of 32 bits.
        init(_ name: String, cells: [UInt32]) {
            self.init(name, cells.flatMap { bigEndian($0) })
        }

        /// Numbers that take two cells each, as addresses and sizes do here.
        init(_ name: String, wide: [UInt64]) {
            self.init(name, wide.flatMap { bigEndian($0) })
        }

        /// Strings, each with the zero that ends it.
        init(_ name: String, _ texts: String...) {
            self.init(name, texts.flatMap { Array($0.utf8) + [0] })
        }
    }

    struct Node: Equatable, Sendable {
        /// With the unit address: `pl011@9000000`; empty for the root.
        let name: String
        var properties: [Property] = []
        var children: [Node] = []

        init(_ name: String, _ properties: [Property] = [], _ children: [Node] = []) {
            self.name = name
            self.properties = properties
            self.children = children
        }
    }

    var root: Node

    /// Bytes of a blob: header, an empty list of reservations, structure, strings.
    var blob: [UInt8] {
        var writer = Writer()
        writer.add(root)
        writer.token(9)
        let reservations = Self.headerSize
        let structure = reservations + 16
        let strings = structure + writer.structure.count
        let total = strings + writer.strings.count
        let header: [Int] = [
            0xd00d_feed, total, structure, strings, reservations, 17, 16, 0, writer.strings.count,
            writer.structure.count,
        ]
        var bytes = header.flatMap { bigEndian(UInt32($0)) }
        bytes += [UInt8](repeating: 0, count: 16)
        return bytes + writer.structure + writer.strings
    }

    /// Ten words.
    private static let headerSize = 40

    /// The structure block's tokens and the names they point to.
    private struct Writer {
        var structure: [UInt8] = []
        var strings: [UInt8] = []
        private var offsets: [String: Int] = [:]

        mutating func token(_ token: UInt32) { structure += bigEndian(token) }

        mutating func add(_ node: Node) {
            token(1)
            append(Array(node.name.utf8) + [0])
            for property in node.properties {
                token(3)
                token(UInt32(property.value.count))
                token(UInt32(offset(of: property.name)))
                append(property.value)
            }
            for child in node.children { add(child) }
            token(2)
        }

        /// Everything is aligned to four bytes.
        private mutating func append(_ bytes: [UInt8]) {
            structure += bytes
            structure += [UInt8](repeating: 0, count: bytes.count.roundedUp(to: 4) - bytes.count)
        }

        private mutating func offset(of name: String) -> Int {
            if let known = offsets[name] { return known }
            defer { strings += Array(name.utf8) + [0] }
            offsets[name] = strings.count
            return strings.count
        }
    }
}

private func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: value.byteSwapped)
    return bytes
}
