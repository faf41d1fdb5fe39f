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
        case .nobodyAccepted:
            "vector \(argument) was sent and not accepted: no local APIC has that destination, or all that do are switched off"
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
        case .reservedDistributorRegister: "access to the Distributor at \(value), where no register is"
        case .distributorAccess:
            "access to the Distributor at \(value) that is not aligned or not 32 bits wide (8 only for IPRIORITYR, "
                + "ITARGETSR, CPENDSGIR and SPENDSGIR): reads 0, writes nothing"
        case .absentInterrupt: "access to registers of interrupt \(argument), which this GIC does not have"
        case .readOnlyDistributorRegister: "write of \(value) to a read-only register of the Distributor"
        case .writeOnlyDistributorRegister: "read of the write-only Distributor register \(value)"
        case .reservedInterfaceRegister: "access to the CPU interface at \(value), where no register is"
        case .interfaceAccess: "access to the CPU interface at \(value) that is not 32 bits wide and aligned"
        case .readOnlyInterfaceRegister: "write to the read-only CPU interface register \(value)"
        case .writeOnlyInterfaceRegister: "read of the write-only CPU interface register \(value)"
        case .pendingBitsOfSoftwareInterrupts:
            "write of \(value) to ISPENDR0 or ICPENDR0: SGIs are made pending by SGIR and SPENDSGIR only"
        case .targetsOfPrivateInterrupt: "write of \(value) to ITARGETSR0 to 7, which are read-only"
        case .absentTarget: "ITARGETSR = \(value) names processors that do not exist"
        case .absentSource: "SPENDSGIR makes SGI \(argument) pending from processors that do not exist"
        case .fixedTrigger: "ICFGR0 or ICFGR1 = \(value): the trigger of SGIs and PPIs cannot be chosen"
        case .reservedTargetFilter: "SGIR = \(value) has the reserved target filter 3"
        case .softwareInterruptToNobody: "SGIR = \(value) names no processor that exists"
        case .acknowledgeOfGroupOne:
            "IAR gave 1022 because interrupt \(argument) is in group 1: AIAR acknowledges it, or IAR with CTLR.AckCtl"
        case .endWithoutAcknowledge: "EOIR of \(argument) with no interrupt active on this processor"
        case .endOfSpurious: "EOIR of the spurious interrupt \(argument), which must not be ended"
        case .endOfAbsent: "EOIR or DIR of interrupt \(argument), which this GIC does not have"
        case .endOfInactive: "EOIR of \(argument), which this processor has not acknowledged: the priority drops anyway"
        case .endOutOfOrder: "EOIR of \(argument), which is not the last one acknowledged"
        case .endOfOtherSource:
            "EOIR of SGI \(argument & 0x3ff) with source CPU \(argument >> 10), not the one that IAR gave"
        case .endOfOtherGroup: "EOIR of \(argument) through the register of the other group"
        case .deactivateInWrongMode: "DIR of \(argument) with CTLR.EOImode = 0: ignored"
        case .deactivateOfSpurious: "DIR of the spurious interrupt \(argument)"
        case .deactivateOfInactive: "DIR of \(argument), which is not active"
        case .levelNeverLowered:
            "interrupt \(argument) is still asserted after each of 10,000 ends: a storm, its handler quiets no device"
        }
    }
}

extension InterruptWarnings {
    /// One line each; times are in seconds of `ModelTime`.
    package var text: String {
        if entries.isEmpty { return "no mistakes seen\n" }
        var lines: [String] = []
        for entry in entries {
            let place = entry.programCounter == 0 ? "" : ", last at \(hexadecimal(entry.programCounter))"
            lines.append("\(entry.count) x  \(entry.mistake)\(place)")
            // Behind the last of its kind.
            guard let more = dropped[entry.mistake.kind],
                entries.last(where: { $0.mistake.kind == entry.mistake.kind })?.mistake == entry.mistake
            else { continue }
            lines.append("\(more) x  more of this kind")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    package var json: JSON { .array(rows) }

    var rows: [JSON] {
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
    }
}
