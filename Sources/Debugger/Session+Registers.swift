import Architecture
import Primitives
import RemoteProtocol

// Registers, all read and written through the layout's rows.
extension Session {
    func readRegisters(_ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        reply.hex(generalRegisters(of: processor)[...])
    }

    /// The data of `g`.
    func generalRegisters(of processor: Int) -> [UInt8] {
        let file = target.registers(of: processor, having: [])
        var bytes: [UInt8] = []
        for register in layout.registers[..<layout.countInG] { file.append(register, to: &bytes) }
        return bytes
    }

    func writeRegisters(_ bytes: ArraySlice<UInt8>, _ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        var file = target.registers(of: processor, having: [])
        answerRefusal { () throws(Refusal) in
            try set(bytes, in: &file)
            try target.setRegisters(file, of: processor)
        }
    }

    /// Sets the registers of a `G` packet, as many as it has.
    private func set(_ bytes: ArraySlice<UInt8>, in file: inout RegisterFile) throws(Refusal) {
        var rest = bytes
        var counter: ArraySlice<UInt8>?
        for register in layout.registers[..<layout.countInG] {
            let value = rest.prefix(register.bits / 8)
            guard value.count == register.bits / 8 else { break }
            // Only what differs: a program counter and its segment's base may both be in the packet.
            if !value.elementsEqual(file.bytes(of: register)) { try set(register, to: value, in: &file) }
            if register.number == layout.programCounter { counter = value }
            rest = rest.dropFirst(value.count)
        }
        // Again, and last: it is linear, and what it is relative to may have come after it.
        let register = layout.registers[layout.programCounter]
        if let counter, !counter.elementsEqual(file.bytes(of: register)) { file.set(register, to: counter) }
    }

    func readRegister(_ number: Int, _ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        guard layout.registers.indices.contains(number) else {
            return reply.error(.malformed, "there is no register \(number)")
        }
        let register = layout.registers[number]
        reply.hex(target.registers(of: processor, having: register.block).bytes(of: register)[...])
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

    /// The registers that spare the client a request after each stop.
    func expedited(of processor: Int) -> [Stop.Register] {
        let file = target.registers(of: processor, having: [])
        return layout.expedited.map { number in
            Stop.Register(number, file.bytes(of: layout.registers[number])[...])
        }
    }
}
