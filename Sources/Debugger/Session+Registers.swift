import Architecture
import Primitives
import RemoteProtocol

// Registers, all read and written through the layout's rows.
extension Session {
    func readRegisters(_ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        let file = target.registers(of: processor, having: RegisterBlocks())
        if file.isWhole { return reply.hex(generalRegisters(of: processor)[...]) }
        for register in layout.registers[..<layout.countInG] { write(register, of: file) }
    }

    /// A register's digits, or as many `x` where it could not be fetched.
    private func write(_ register: Register, of file: RegisterFile) {
        if file.reasonMissing(register) != nil {
            reply.text(String(repeating: "x", count: register.bits / 4))
        } else {
            reply.hex(file.bytes(of: register)[...])
        }
    }

    /// Why a register that could not be fetched cannot be set: what else would change with it is unknown.
    private func check(_ register: Register, of file: RegisterFile) throws(Refusal) {
        guard let reason = file.reasonMissing(register) else { return }
        throw Refusal("\(register.name) is unavailable: \(reason)")
    }

    /// The data of `g`.
    func generalRegisters(of processor: Int) -> [UInt8] {
        let file = target.registers(of: processor, having: RegisterBlocks())
        var bytes: [UInt8] = []
        for register in layout.registers[..<layout.countInG] { file.append(register, to: &bytes) }
        return bytes
    }

    func writeRegisters(_ bytes: ArraySlice<UInt8>, _ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        var file = target.registers(of: processor, having: RegisterBlocks())
        answerRefusal { () throws(Refusal) in
            try set(bytes, in: &file)
            try target.setRegisters(file, of: processor)
        }
    }

    /// Sets the registers of a `G` packet, as many as it has.
    private func set(_ bytes: ArraySlice<UInt8>, in file: inout RegisterFile) throws(Refusal) {
        var rest = bytes
        let relative = layout.relative
        var last: [(Register, ArraySlice<UInt8>)] = []
        for register in layout.registers[..<layout.countInG] {
            try check(register, of: file)
            let value = rest.prefix(register.bits / 8)
            guard value.count == register.bits / 8 else { break }
            rest = rest.dropFirst(value.count)
            if relative.contains(where: { $0.number == register.number }) {
                // Last: what it is relative to, a segment's base or the mode, may come after it.
                last.append((register, value))
            } else if !value.elementsEqual(file.bytes(of: register)) {
                // Only what differs: the offset in CS may be in the packet beside the linear program counter.
                try set(register, to: value, in: &file)
            }
        }
        for (register, value) in last where !value.elementsEqual(file.bytes(of: register)) {
            file.set(register, to: value)
        }
    }

    func readRegister(_ number: Int, _ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        guard layout.registers.indices.contains(number) else {
            return reply.error(.malformed, "there is no register \(number)")
        }
        let register = layout.registers[number]
        write(register, of: target.registers(of: processor, having: register.block))
    }

    func writeRegister(_ number: Int, _ bytes: ArraySlice<UInt8>, _ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        guard layout.registers.indices.contains(number) else {
            return reply.error(.malformed, "there is no register \(number)")
        }
        let register = layout.registers[number]
        guard bytes.count == register.bits / 8 else {
            return reply.error(.malformed, "\(register.name) has \(register.bits / 8) bytes, not \(bytes.count)")
        }
        var file = target.registers(of: processor, having: register.block)
        answerRefusal { () throws(Refusal) in
            try check(register, of: file)
            try set(register, to: bytes, in: &file)
            try target.setRegisters(file, of: processor)
        }
    }

    /// Sets a register to nothing but what it can hold.
    private func set(
        _ register: Register, to bytes: ArraySlice<UInt8>, in file: inout RegisterFile
    ) throws(Refusal) {
        file.set(register, to: bytes)
        // Of a tag word the processor itself keeps only which registers are empty.
        if case .tagWord = register.form { return }
        guard !file.bytes(of: register).elementsEqual(bytes) else { return }
        throw Refusal("\(register.name) has no such bits")
    }

    /// The registers that spare the client a request after each stop; a stop reply has no way to say that one is missing.
    func expedited(of processor: Int) -> [Stop.Register] {
        let file = target.registers(of: processor, having: RegisterBlocks())
        return layout.expedited.compactMap { number in
            guard file.reasonMissing(layout.registers[number]) == nil else { return nil }
            return Stop.Register(number, file.bytes(of: layout.registers[number])[...])
        }
    }
}
