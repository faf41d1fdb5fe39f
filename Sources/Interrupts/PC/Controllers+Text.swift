// `info ioapic` and `info pic`: the shapes people know from QEMU's monitor. They serve the model and a kernel's
// controllers alike.

import Primitives

extension IOAPIC {
    /// Every register in words.
    package var text: String {
        var lines = [
            "ioapic: ver=\(hexadecimal(version)) id=\(hexadecimal(id, digits: 2)) "
                + "sel=\(hexadecimal(selected, digits: 2)) lines=\(hexadecimal(self.lines, digits: 6))"
        ]
        for (pin, entry) in entries.enumerated() {
            var words = ["  pin \(pin)", hexadecimal(entry.rawValue, digits: 16)]
            if pin < 10 { words[0] += " " }
            words.append("dest=\(entry.destination)")
            words.append("vec=\(entry.vector)")
            words.append(entry.isActiveLow ? "active-lo" : "active-hi")
            words.append(entry.isLevel ? "level" : "edge")
            if entry.isMasked { words.append("masked") }
            words.append("\(entry.deliveryMode)")
            words.append(entry.isLogical ? "logical" : "physical")
            if entry.remoteIRR { words.append("remote-irr") }
            if self.lines[bit: pin] { words.append("asserted") }
            lines.append(words.joined(separator: " "))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    package var json: JSON {
        .object([
            ("version", .number(UInt64(version))), ("id", .number(UInt64(id))), ("select", .number(UInt64(selected))),
            ("lines", .number(UInt64(lines))),
            (
                "pins",
                .array(
                    entries.enumerated().map { pin, entry in
                        .object([
                            ("pin", .number(pin)), ("raw", .string(hexadecimal(entry.rawValue, digits: 16))),
                            ("vector", .number(UInt64(entry.vector))), ("mode", .string("\(entry.deliveryMode)")),
                            ("logical", .bool(entry.isLogical)), ("destination", .number(UInt64(entry.destination))),
                            ("level", .bool(entry.isLevel)), ("active_low", .bool(entry.isActiveLow)),
                            ("masked", .bool(entry.isMasked)), ("remote_irr", .bool(entry.remoteIRR)),
                            ("asserted", .bool(lines[bit: pin])),
                        ])
                    }
                )
            ),
        ])
    }
}

extension PIC8259 {
    /// One line; "hprio" is the input with the highest priority, "rr_sel" whether a read gives ISR.
    fileprivate func text(_ name: String) -> String {
        func byte(_ value: UInt8) -> String { String(hexadecimal(value, digits: 2).dropFirst(2)) }
        var line = "\(name): irr=\(byte(request)) imr=\(byte(mask)) isr=\(byte(inService)) hprio=\((lowest + 1) & 7)"
        line += " irq_base=\(byte(base)) rr_sel=\(readsInService ? 1 : 0) elcr=\(byte(levels))"
        line += " fnm=\(isSpeciallyNested ? 1 : 0)"
        if isAutomatic { line += " aeoi=1" }
        if isSpecialMask { line += " smm=1" }
        if step != .ready { line += step == .idle ? " uninitialized" : " initializing" }
        return line + "\n"
    }

    fileprivate var json: JSON {
        .object([
            ("irr", .number(UInt64(request))), ("imr", .number(UInt64(mask))), ("isr", .number(UInt64(inService))),
            ("base", .number(UInt64(base))), ("elcr", .number(UInt64(levels))), ("lines", .number(UInt64(lines))),
            ("lowest", .number(UInt64(lowest))), ("auto_eoi", .bool(isAutomatic)),
            ("special_mask", .bool(isSpecialMask)),
            ("special_nested", .bool(isSpeciallyNested)), ("ready", .bool(step == .ready)),
        ])
    }
}

extension PICPair {
    package var text: String { master.text("pic0") + slave.text("pic1") }
    package var json: JSON { .object([("master", master.json), ("slave", slave.json)]) }
}

extension PIT8254 {
    /// One line a counter.
    package func text(at now: ModelTime) -> String {
        channels.indices.map { i in
            let state = state(of: i, at: now)
            let channel = channels[i]
            return "pit\(i): mode=\(channel.mode)\(channel.isDecimal ? " bcd" : "") "
                + "reload=\(channel.count.map { "\($0)" } ?? "none") count=\(state.count) "
                + "gate=\(channel.gate ? 1 : 0) out=\(state.output ? 1 : 0)\n"
        }
        .joined()
    }
}
