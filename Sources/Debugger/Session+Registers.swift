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
        var rest = bytes
        var counter: ArraySlice<UInt8>?
        for register in layout.registers[..<layout.countInG] {
            let value = rest.prefix(register.bits / 8)
            guard value.count == register.bits / 8 else { break }
            var old: [UInt8] = []
            file.append(register, to: &old)
            // Only what differs: a program counter and its segment's base may both be in the packet.
            if !value.elementsEqual(old) { file.set(register, to: value) }
            if register.number == layout.programCounter { counter = value }
            rest = rest.dropFirst(value.count)
        }
        // Again, and last: it is linear, and what it is relative to may have come after it.
        if let counter {
            let register = layout.registers[layout.programCounter]
            var now: [UInt8] = []
            file.append(register, to: &now)
            if !counter.elementsEqual(now) { file.set(register, to: counter) }
        }
        answerRefusal { () throws(Refusal) in try target.setRegisters(file, of: processor) }
    }

    func readRegister(_ number: Int, _ thread: ThreadID?) {
        guard let processor = processor(thread) else { return reply.error(.noThread, "no such thread") }
        guard layout.registers.indices.contains(number) else {
            return reply.error(.malformed, "there is no register \(number)")
        }
        let register = layout.registers[number]
        var bytes: [UInt8] = []
        target.registers(of: processor, having: register.block).append(register, to: &bytes)
        reply.hex(bytes[...])
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
        if case .plain = register.form, bytes.dropFirst(register.width).contains(where: { $0 != 0 }) {
            return reply.error(.invalid, "\(register.name) has only \(register.width * 8) bits")
        }
        var file = target.registers(of: processor, having: register.block)
        file.set(register, to: bytes)
        answerRefusal { () throws(Refusal) in try target.setRegisters(file, of: processor) }
    }

    /// The registers that spare the client a request after each stop.
    func expedited(of processor: Int) -> [Stop.Register] {
        let file = target.registers(of: processor, having: [])
        return layout.expedited.map { number in
            var bytes: [UInt8] = []
            file.append(layout.registers[number], to: &bytes)
            return Stop.Register(number, bytes[...])
        }
    }
}
