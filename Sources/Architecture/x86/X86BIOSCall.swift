// Calls of a BIOS by a guest in real mode that has none: its interrupt table leads to one stub, by a segment of its own for
// each interrupt number (PCBoard.biosStub).

import Primitives

/// A call, as the stub finds the registers.
package struct X86BIOSCall: Equatable, Sendable {
    /// The interrupt's number.
    package let number: UInt8
    /// AH, which selects the service.
    package let service: UInt8
    /// Where IP and CS of the caller are, 16 bits each.
    package let frame: PhysicalAddress

    package init(_ file: RegisterFile) {
        number = UInt8(truncatingIfNeeded: X86.codeSelector(file) &- PCBoard.biosStubSegment)
        service = UInt8(truncatingIfNeeded: file.field(X86.Field.accumulator) >> 8)
        frame = PhysicalAddress(
            file.field(X86.Field.stackSegment) &+ file.field(X86.Field.stackPointer) & 0xffff)
    }
}

extension X86BIOSCall: CustomStringConvertible {
    /// "INT 10h AH=0eh, no BIOS". The first 16 numbers are exceptions' and devices', which a program may call as well.
    package var description: String {
        func text(_ value: UInt8) -> String { String(hexadecimal(value, digits: 2).dropFirst(2)) + "h" }
        return number < 0x10
            ? "interrupt \(text(number)) has no handler, no BIOS" : "INT \(text(number)) AH=\(text(service)), no BIOS"
    }
}
