import Primitives

extension GuestMistake: CustomStringConvertible {
    /// One sentence in the guest's terms, without a full stop.
    package var description: String {
        let value = hexadecimal(argument)
        let who = processor.map { "cpu\($0): " } ?? ""
        return who + text(value)
    }

    private func text(_ value: String) -> String {
        switch kind {
        case .endWithoutInterrupt: "EOI with no interrupt in service"
        case .reservedRegister: "access to the reserved local APIC register \(value)"
        case .readOnlyRegister: "write to the read-only register \(value)"
        case .oddAccess: "access to register \(value) that is not 4 bytes wide at a multiple of 16"
        case .disabledPage: "access to the local APIC's page at offset \(value) while the page is not there"
        case .illegalVectorSent: "sent vector \(argument), and those below 16 do not exist"
        case .illegalVectorReceived: "received vector \(argument), and those below 16 do not exist"
        case .reservedDeliveryMode: "delivery mode \(argument) is reserved here"
        case .nobodyAddressed: "vector \(argument) was sent to a destination that no local APIC has"
        case .nobodyEnabled: "vector \(argument) was sent to local APICs that are all switched off"
        case .nobodyAccepted:
            "vector \(argument) was sent and not accepted: no local APIC has that destination, or all that do are switched off"
        case .levelWithoutAssert: "vector \(argument) was sent level-triggered without its assert bit: nothing happens"
        case .illegalBaseChange: "IA32_APIC_BASE = \(value) is no legal change of mode"
        case .reservedBits: "reserved bits in register \(value)"
        case .lineEndedWithoutRequest: "I/O APIC EOI of vector \(argument), which no level pin waits for"
        case .neverLowered: "I/O APIC pin \(argument) is still asserted after each of 10,000 EOIs: a storm"
        }
    }
}

extension InterruptWarnings {
    /// One line each; times are in seconds of `Moment`.
    package var text: String {
        if entries.isEmpty { return "no mistakes seen\n" }
        var lines = entries.map { entry in
            let place = entry.programCounter == 0 ? "" : ", last at \(hexadecimal(entry.programCounter))"
            return "\(entry.count) x  \(entry.mistake)\(place)"
        }
        if dropped > 0 { lines.append("and \(dropped) more of other kinds") }
        return lines.joined(separator: "\n") + "\n"
    }

    package var json: JSON {
        .array(
            entries.map { entry in
                .object([
                    ("count", .number(entry.count)), ("text", .string("\(entry.mistake)")),
                    ("first", .number(entry.first)), ("last", .number(entry.last)),
                    ("pc", .string(hexadecimal(entry.programCounter))),
                ])
            }
        )
    }
}
