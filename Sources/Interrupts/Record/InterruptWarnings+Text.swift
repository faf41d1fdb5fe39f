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
        case .notX2APIC: "access to MSR \(value) while the local APIC is not in x2APIC mode: #GP"
        case .reservedBits: "reserved bits in MSR \(value): #GP"
        case .illegalBaseChange: "IA32_APIC_BASE = \(value) is no legal change of mode: #GP"
        case .unmaskedWhileOff:
            "the local vector at \(value) was unmasked while SVR bit 8 switches the local APIC off: it stays masked"
        case .initialCountIgnored: "initial count \(value) written in TSC-deadline mode: the timer does not start"
        case .deadlineIgnored: "IA32_TSC_DEADLINE written while the timer is in another mode: it does not start"
        case .illegalVectorSent: "sent vector \(argument), and those below 16 do not exist"
        case .illegalVectorReceived: "received vector \(argument), and those below 16 do not exist"
        case .exceptionVector: "received vector \(argument): those below 32 are exceptions, whose handler it gets"
        case .reservedDeliveryMode: "delivery mode \(argument) is reserved here"
        case .nobodyAddressed: "vector \(argument) was sent to a destination that no local APIC has"
        case .nobodyEnabled: "vector \(argument) was sent to local APICs that are all switched off"
        case .levelWithoutAssert: "vector \(argument) was sent level-triggered without its assert bit: nothing happens"
        case .reservedPinRegister: "access to the I/O APIC's register \(value), which does not exist"
        case .oddPinAccess: "access to the I/O APIC at offset \(value) that is not to 4 bytes of a register"
        case .lineEndedWithoutRequest: "I/O APIC EOI of vector \(argument), which no level pin waits for"
        case .pairEndedWithoutInterrupt: "EOI at port \(value) with no such input of this 8259 in service"
        case .pairNotInitialized:
            "inputs of the 8259 at port \(value) were unmasked before ICW1: it asks for nothing until it has had it"
        case .pairExceptionVectors:
            "vector base \(value) for an 8259: its interrupts get exceptions' handlers, which are those below 32"
        case .twoWays: "input \(argument) is unmasked in the 8259 and in the I/O APIC: it comes twice"
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
                    ("kind", .string(entry.mistake.kind.rawValue)),
                    ("cpu", .optional(entry.mistake.processor) { .number($0) }),
                    ("argument", .number(entry.mistake.argument)),
                    ("count", .number(entry.count)), ("text", .string("\(entry.mistake)")),
                    ("first", .number(entry.first)), ("last", .number(entry.last)),
                    ("pc", .string(hexadecimal(entry.programCounter))),
                ])
            }
        )
    }
}
