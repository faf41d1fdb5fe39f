import Foundation
import FoundationXML
import Primitives
import Testing

@testable import Architecture

/// GDB manual, appendix G: "Target Descriptions".
@Suite("Target description")
struct TargetDescriptionTests {
    /// What gdb knows without a definition (section G.3), and `int` and `float`, which registers alone may have.
    private static let predefined: [String: Int] = [
        "bool": 0, "int8": 8, "int16": 16, "int32": 32, "int64": 64, "int128": 128, "uint8": 8, "uint16": 16,
        "uint32": 32, "uint64": 64, "uint128": 128, "code_ptr": 0, "data_ptr": 0, "ieee_half": 16, "ieee_single": 32,
        "ieee_double": 64, "bfloat16": 16, "arm_fpa_ext": 96, "i387_ext": 80,
    ]

    private func parse(_ named: NamedLayout) throws -> DescriptionReader {
        let reader = DescriptionReader()
        let parser = XMLParser(data: Data(named.layout.targetDescription))
        parser.delegate = reader
        let isWellFormed = parser.parse()
        try #require(isWellFormed, "\(String(describing: parser.parserError)) in line \(parser.lineNumber)")
        return reader
    }

    @Test("it is well-formed and names the architecture", arguments: NamedLayout.everywhere)
    func wellFormed(_ named: NamedLayout) throws {
        let reader = try parse(named)
        #expect(reader.root == "target")
        #expect(reader.architecture == named.layout.architectureName)
    }

    @Test("it lists each register once, with its number and width", arguments: NamedLayout.everywhere)
    func registers(_ named: NamedLayout) throws {
        let listed = try parse(named).registers
        #expect(listed.count == named.layout.registers.count)
        let byNumber = Dictionary(listed.map { ($0.attributes["regnum"], $0) }) { first, _ in first }
        for register in named.layout.registers {
            let entry = try #require(byNumber["\(register.number)"], "\(register.name)")
            #expect(entry.attributes["name"] == register.name)
            #expect(entry.attributes["bitsize"] == "\(register.bits)")
            #expect(entry.attributes["type"] == register.type)
            #expect(entry.attributes["group"] == register.group)
            #expect(entry.feature == register.feature)
        }
    }

    @Test("every type is predefined, or defined before its use in the same feature", arguments: NamedLayout.everywhere)
    func types(_ named: NamedLayout) throws {
        let reader = try parse(named)
        #expect(!reader.uses.isEmpty)
        for use in reader.uses where Self.predefined[use.type] == nil {
            if use.isRegister && ["int", "float"].contains(use.type) { continue }
            #expect(use.known.contains(use.type), "\(use.type) in \(use.feature)")
        }
        #expect(reader.redefined.isEmpty)
    }

    @Test("a type is as wide as the registers that have it", arguments: NamedLayout.everywhere)
    func widths(_ named: NamedLayout) throws {
        let reader = try parse(named)
        for entry in reader.registers {
            let (type, bits) = (entry.attributes["type"]!, Int(entry.attributes["bitsize"]!)!)
            let width = reader.sizes["\(entry.feature) \(type)"] ?? Self.predefined[type] ?? 0
            #expect(width == 0 || width == bits, "\(entry.attributes["name"]!) of type \(type)")
        }
    }

    /// ProcessGDBRemote's way of reading a description: other names are numbers, and those of 128 bits it refuses to write.
    @Test("what is wider than a number is a vector for LLDB, by its type's name", arguments: NamedLayout.everywhere)
    func vectors(_ named: NamedLayout) {
        let wide = named.layout.registers.filter { $0.bits >= 128 }
        #expect(wide.contains { $0.name == "v31" || $0.name == "xmm7" })
        for register in wide {
            let isKnown = register.type.hasPrefix("vec") || ["aarch64v", "uint128"].contains(register.type)
            #expect(isKnown, "\(register.name) of type \(register.type)")
        }
    }

    @Test("the fields of flags lie inside, and no two overlap", arguments: NamedLayout.everywhere)
    func fields(_ named: NamedLayout) throws {
        let reader = try parse(named)
        #expect(!reader.fields.isEmpty)
        for (type, fields) in reader.fields {
            var taken: UInt64 = 0
            for field in fields {
                try #require(field.start <= field.end && field.end < reader.sizes[type]!, "\(type)")
                let mask = (field.start...field.end).reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
                #expect(taken & mask == 0, "\(type), bit \(field.start)")
                taken |= mask
            }
        }
    }

    @Test("gdb finds the features it looks for", arguments: NamedLayout.everywhere)
    func features(_ named: NamedLayout) throws {
        let features = Set(try parse(named).registers.map(\.feature))
        let expected =
            switch named.layout.architecture {
            case .x86_64: ["org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse"]
            case .arm64: ["org.gnu.gdb.aarch64.core", "org.gnu.gdb.aarch64.fpu"]
            }
        #expect(features.isSuperset(of: expected))
    }
}

/// Gathers what a target description says, in its order.
private final class DescriptionReader: NSObject, XMLParserDelegate {
    struct RegisterEntry {
        let feature: String
        let attributes: [String: String]
    }

    struct Use {
        let type: String
        let feature: String
        let isRegister: Bool
        /// Types defined in the feature so far.
        let known: Set<String>
    }

    var root: String?
    var architecture = ""
    var registers: [RegisterEntry] = []
    var uses: [Use] = []
    var redefined: [String] = []
    /// Bits, by feature and type.
    var sizes: [String: Int] = [:]
    var fields: [String: [(start: Int, end: Int)]] = [:]

    private var feature = ""
    private var known: Set<String> = []
    private var inArchitecture = false
    private var composite = ""

    private static let elementBits: [String: Int] = [
        "int8": 8, "int16": 16, "int32": 32, "int64": 64, "ieee_single": 32, "ieee_double": 64,
        "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64, "ieee_half": 16, "int128": 128, "uint128": 128,
    ]

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        if root == nil { root = name }
        switch name {
        case "architecture": inArchitecture = true
        case "feature":
            feature = attributes["name"] ?? ""
            known = []
        case "flags", "struct", "union", "vector", "enum": define(name, attributes)
        case "field":
            use(attributes, isRegister: false)
            if let start = attributes["start"].flatMap(Int.init), let end = attributes["end"].flatMap(Int.init) {
                fields[composite, default: []].append((start, end))
            }
        case "reg":
            use(attributes, isRegister: true)
            registers.append(RegisterEntry(feature: feature, attributes: attributes))
        default: break
        }
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) { if inArchitecture { architecture += text } }

    func parser(
        _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
    ) {
        if name == "architecture" { inArchitecture = false }
    }

    private func define(_ kind: String, _ attributes: [String: String]) {
        guard let id = attributes["id"] else { return }
        composite = "\(feature) \(id)"
        if kind == "vector" {
            use(attributes, isRegister: false)
            if let bits = attributes["type"].flatMap({ Self.elementBits[$0] }),
                let count = attributes["count"].flatMap(Int.init)
            {
                sizes[composite] = bits * count
            }
        } else if let bytes = attributes["size"].flatMap(Int.init) {
            sizes[composite] = bytes * 8
        }
        if !known.insert(id).inserted { redefined.append(id) }
    }

    private func use(_ attributes: [String: String], isRegister: Bool) {
        guard let type = attributes["type"] else { return }
        uses.append(Use(type: type, feature: feature, isRegister: isRegister, known: known))
    }
}
