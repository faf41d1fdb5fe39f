// How wide the code of a 32-bit ELF file is. Kernels for long mode are put into such files for loaders that take no others
// (Xen's mkelf32, `objcopy -O elf32-i386`), and are debugged by the symbols of the 64-bit file that they were made from.
// gABI chapter 4, "Sections"; DWARF 5, section 7.5.1; Intel SDM volume 3, "Initializing IA-32e Mode".

import Primitives

/// What a 32-bit ELF file says of the code in it.
package struct CodeWidth: Equatable, Sendable {
    /// Code near the entry sets EFER.LME.
    package let entersLongMode: Bool
    /// Bytes of an address in its debugging information, where it has any that can be read.
    package let debugAddressSize: Int?
}

/// Nil for other files than 32-bit ELF files.
package func codeWidth(of file: [UInt8]) -> CodeWidth? {
    guard ELF.isELF(file), let elf = try? ELF(file), !elf.is64 else { return nil }
    return CodeWidth(entersLongMode: elf.entersLongMode, debugAddressSize: elf.debugAddressSize)
}

extension ELF {
    /// Bytes before and behind the entry that are looked through.
    private static let (before, behind) = (0x1000, 0x1_0000)
    /// Bytes between the load of EFER's number and the write, and before the load, where EAX gets its bits.
    private static let (reach, lead) = (64, 16)

    /// MOV ECX, IA32_EFER; WRMSR; and between them, or shortly before, an instruction that sets bit 8 of EAX.
    fileprivate var entersLongMode: Bool {
        guard
            let segment = programHeaders.first(where: {
                $0.type == ProgramHeader.load
                    && (entry &- $0.virtualAddress < $0.fileSize || entry &- $0.physicalAddress < $0.fileSize)
            })
        else { return false }
        let distance = entry &- segment.virtualAddress
        let inSegment = distance < segment.fileSize ? distance : entry &- segment.physicalAddress
        let place = Int(clamping: segment.offset.addingReportingOverflow(inSegment).partialValue)
        guard place < file.count else { return false }
        let window = Array(file[max(0, place - Self.before)..<min(file.count, place.addingClamped(Self.behind))])
        return window.indices.contains { i in
            window[i] == 0xb9 && window[i...].starts(with: [0xb9, 0x80, 0x00, 0x00, 0xc0])
                && Self.setsLongMode(window, around: i)
        }
    }

    private static func setsLongMode(_ code: [UInt8], around load: Int) -> Bool {
        let written = (load + 5..<min(code.count, load + 5 + reach)).first { code[$0...].starts(with: [0x0f, 0x30]) }
        guard let written else { return false }
        return (max(0, load - lead)..<written).contains { i in
            let rest = Array(code[i..<written].prefix(6))
            return switch rest.first {
            // MOV EAX and OR EAX with 32 bits: bit 8 is in the second byte.
            case 0xb8, 0x0d: rest.count >= 5 && rest[2] & 1 != 0
            case 0x81: rest.count >= 6 && rest[1] == 0xc8 && rest[3] & 1 != 0
            // OR AH with 8 bits.
            case 0x80: rest.count >= 3 && rest[1] == 0xcc && rest[2] & 1 != 0
            // BTS EAX, 8.
            case 0x0f: rest.count >= 4 && rest[1] == 0xba && rest[2] == 0xe8 && rest[3] == 8
            default: false
            }
        }
    }

    /// From the first unit of `.debug_info`; nil where that is missing or compressed.
    fileprivate var debugAddressSize: Int? {
        let (headerSize, compressed) = (40, 0x800)
        func half(_ offset: Int) -> Int? { word(offset, 2) }
        guard let table = word(0x20, 4), table != 0, half(0x2e) == headerSize, let count = half(0x30),
            let names = half(0x32), let strings = word(table + names * headerSize + 0x10, 4)
        else { return nil }
        let wanted = Array(".debug_info".utf8) + [0]
        for index in 0..<count {
            let section = table + index * headerSize
            guard let name = word(section, 4), let flags = word(section + 8, 4), let unit = word(section + 0x10, 4)
            else { return nil }
            guard strings + name < file.count, file[(strings + name)...].starts(with: wanted) else { continue }
            guard flags & compressed == 0, word(unit, 4) != 0xffff_ffff, let version = half(unit + 4) else {
                return nil
            }
            return word(unit + (version >= 5 ? 7 : 10), 1)
        }
        return nil
    }

    /// A number of at most 32 bits, nil beyond the file's end.
    private func word(_ offset: Int, _ count: Int) -> Int? {
        guard offset <= file.count - count else { return nil }
        return file.number(at: offset, count: count)
    }
}

extension Int {
    fileprivate func addingClamped(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
