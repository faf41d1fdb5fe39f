// target.xml: what registers there are, their numbers, widths and types (GDB manual, appendix G).

/// The description of `registers`, grouped by their features in the order these first appear.
func describe(_ registers: [Register], types: String, architectureName: String) -> String {
    var features: [String] = []
    for register in registers where !features.contains(register.feature) { features.append(register.feature) }
    var text = """
        <?xml version="1.0"?>
        <!DOCTYPE target SYSTEM "gdb-target.dtd">
        <target version="1.0">
          <architecture>\(architectureName)</architecture>
          <osabi>none</osabi>

        """
    for feature in features {
        text += "  <feature name=\"\(feature)\">\n"
        let members = registers.filter { $0.feature == feature }
        text += definitions(of: Set(members.map(\.type)), in: types)
        for register in members {
            let group = register.group.map { " group=\"\($0)\"" } ?? ""
            text += "    <reg name=\"\(register.name)\" bitsize=\"\(register.bits)\" type=\"\(register.type)\""
            text += " regnum=\"\(register.number)\"\(group)/>\n"
        }
        text += "  </feature>\n"
    }
    return text + "</target>\n"
}

/// The definitions that a feature needs: types are known only inside the feature that defines them. `types` holds one
/// definition a line, dependencies first, each line's `id` being followed by a space.
private func definitions(of names: Set<String>, in types: String) -> String {
    var wanted = names
    var lines: [Substring] = []
    for line in types.split(separator: "\n").reversed() {
        guard let id = attribute("id", of: line), wanted.contains(id) else { continue }
        lines.append(line)
        for part in line.split(separator: "<").dropFirst() {
            if let type = attribute("type", of: part) { wanted.insert(type) }
        }
    }
    return lines.reversed().map { "    \($0)\n" }.joined()
}

private func attribute(_ name: String, of text: Substring) -> String? {
    for word in text.split(whereSeparator: { $0 == " " || $0 == "/" || $0 == ">" })
    where word.hasPrefix("\(name)=\"") {
        return String(word.dropFirst(name.count + 2).dropLast())
    }
    return nil
}
