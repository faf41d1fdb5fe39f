import Primitives

/// An x86 instruction of the opcode maps that vector, floating-point and state instructions lie in, taken apart (Intel SDM
/// volume 2, sections 2.1 to 2.3 and appendix A). One with an EVEX prefix has its operands in registers. Left out: the rest
/// of EVEX, memory operands of 16-bit addresses, and most of the one-byte map.
package struct X86InstructionForm: Sendable {
    package enum Map: UInt8, Sendable {
        case oneByte = 0
        /// Behind 0f.
        case twoByte = 1
        /// Behind 0f 38.
        case threeByte38 = 2
        /// Behind 0f 3a.
        case threeByte3A = 3
    }

    /// Prefix 66, f3 or f2 where it selects the instruction; as VEX and EVEX encode it.
    package enum Mandatory: UInt8, Sendable {
        case none, operandSize, repeated, repeatedNot
    }

    enum Encoding: Sendable {
        case legacy
        case vex
        case evex
    }

    /// A memory operand, as the registers say where it is.
    package struct Memory: Sendable {
        /// The offset in its segment.
        package let offset: UInt64
        /// The linear address.
        package let address: VirtualAddress
        /// Its segment is SS: an address that is not canonical is a stack fault.
        package let isOnStack: Bool
    }

    package private(set) var map = Map.oneByte
    package private(set) var opcode: UInt8 = 0
    package private(set) var mandatory = Mandatory.none
    private(set) var encoding = Encoding.legacy
    /// REX.W, VEX.W.
    package private(set) var isWide = false
    /// VEX.L, and the bit above it in EVEX.
    private(set) var vectorLength: UInt8 = 0
    /// VEX.vvvv: a register.
    private(set) var secondSource: UInt8 = 0
    package private(set) var modrm: UInt8?
    package private(set) var memory: Memory?
    /// Of the whole instruction, in bytes.
    package private(set) var length = 0

    /// Prefix 66, also beside f2 or f3.
    var hasOperandSize: Bool { kept.contains(0x66) }
    /// Prefixes that stay when the operand is elsewhere: no segment, no address size.
    private var kept: [UInt8] = []
    private var rex: UInt8?
    private var vectorPrefix: [UInt8] = []
    private var opcodeBytes: [UInt8] = []
    private var registerForm: [UInt8] = []
    private var immediate: [UInt8] = []
    private var hasSIBIndexVector: Bool { encoding == .vex && map == .threeByte38 && (0x90...0x93).contains(opcode) }

    /// The middle field of ModRM: a register's low bits, or more of the opcode.
    package var extended: UInt8 { (modrm ?? 0) >> 3 & 7 }
    /// The low field of ModRM.
    package var low: UInt8 { (modrm ?? 0) & 7 }
    /// The register operand in the low field, with REX.B.
    package var lowRegister: UInt8 { low | ((rex ?? 0) & 1) << 3 }
    package var isRegisterForm: Bool { modrm.map { $0 >> 6 == 3 } ?? true }

    /// Nil where the bytes are no whole instruction of the kind described. `file` is the processor's state before it, but for
    /// RIP, which is `distance` bytes further.
    package init?(_ bytes: [UInt8], _ file: RegisterFile, distance: Int = 0) {
        let mode = X86.mode(file)
        guard mode != .virtual8086 else { return nil }
        let isLong = mode == .long
        let isWord = X86.codeWordSize(file) == 2
        var rest = bytes.prefix(X86Instruction.maximumLength)
        var segment: UInt8?
        var hasAddressSize = false
        while let prefix = rest.first, X86Instruction.prefixes.contains(prefix) {
            rest.removeFirst()
            switch prefix {
            case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65: segment = prefix
            case 0x67: hasAddressSize = true
            case 0x66:
                if mandatory == .none { mandatory = .operandSize }
                kept.append(prefix)
            case 0xf2, 0xf3:
                mandatory = prefix == 0xf3 ? .repeated : .repeatedNot
                kept.append(prefix)
            default: kept.append(prefix)
            }
        }
        if isLong, let first = rest.first, first & 0xf0 == 0x40 {
            rex = first
            isWide = first & 8 != 0
            rest.removeFirst()
        }
        guard let first = rest.popFirst() else { return nil }
        let isVectorPrefix = rex == nil && (isLong || rest.first.map { $0 >= 0xc0 } == true) && mode != .real
        switch first {
        case 0xc4 where isVectorPrefix, 0xc5 where isVectorPrefix, 0x62 where isVectorPrefix:
            guard readVectorPrefix(first, &rest, isLong: isLong) else { return nil }
        case 0x0f:
            opcodeBytes = [first]
            guard let second = rest.popFirst() else { return nil }
            opcodeBytes.append(second)
            map = second == 0x38 ? .threeByte38 : second == 0x3a ? .threeByte3A : .twoByte
            opcode = second
            if map != .twoByte {
                guard let third = rest.popFirst() else { return nil }
                opcodeBytes.append(third)
                opcode = third
            }
        default:
            opcode = first
            opcodeBytes = [first]
        }
        if hasModRM {
            guard let byte = rest.popFirst() else { return nil }
            modrm = byte
            if byte >> 6 != 3 {
                guard encoding != .evex, !hasSIBIndexVector, !isWord, isLong || !hasAddressSize else { return nil }
                let addressBits = isLong && !hasAddressSize ? 64 : 32
                var position = AddressForm(bytes: rest, rex: rexBits, file: file, isLong: isLong)
                guard position.read(byte) else { return nil }
                rest = position.bytes
                guard takeImmediate(&rest) else { return nil }
                length = rest.startIndex
                let next = X86.instructionOffset(file) &+ UInt64(distance + length)
                let offset = (position.sum &+ (position.isRelative ? next : 0)) & .mask(addressBits)
                let isOnStack = segment == nil ? position.usesStackSegment : segment == 0x36
                let base = X86.segmentBase(segment ?? (isOnStack ? 0x36 : 0x3e), file)
                memory = Memory(
                    offset: offset, address: VirtualAddress((offset &+ base) & .mask(isLong ? 64 : 32)),
                    isOnStack: isOnStack)
                return
            }
            registerForm = [byte]
        }
        guard takeImmediate(&rest) else { return nil }
        length = rest.startIndex
        // MASKMOVQ, MASKMOVDQU: DS:RDI, or a segment of choice.
        if map == .twoByte, opcode == 0xf7 {
            guard !isWord else { return nil }
            let bits = isLong && !hasAddressSize ? 64 : 32
            let offset = X86.general(7, file) & .mask(bits)
            memory = Memory(
                offset: offset,
                address: VirtualAddress((offset &+ X86.segmentBase(segment ?? 0x3e, file)) & .mask(isLong ? 64 : 32)),
                isOnStack: segment == 0x36)
        }
    }

    private mutating func readVectorPrefix(_ first: UInt8, _ rest: inout ArraySlice<UInt8>, isLong: Bool) -> Bool {
        // A prefix before VEX that it makes superfluous is an invalid opcode: the processor says so.
        encoding = first == 0x62 ? .evex : .vex
        let count = first == 0xc5 ? 1 : first == 0xc4 ? 2 : 3
        guard rest.count > count else { return false }
        vectorPrefix = [first] + rest.prefix(count)
        rest.removeFirst(count)
        let last = vectorPrefix[first == 0x62 ? 2 : count]
        let number = first == 0xc5 ? 1 : vectorPrefix[1] & (first == 0x62 ? 7 : 0x1f)
        guard let map = Map(rawValue: number), map != .oneByte, let mandatory = Mandatory(rawValue: last & 3) else {
            return false
        }
        (self.map, self.mandatory) = (map, mandatory)
        isWide = first != 0xc5 && last & 0x80 != 0
        secondSource = ~(last >> 3) & 0xf
        vectorLength = first == 0x62 ? vectorPrefix[3] >> 5 & 3 : last >> 2 & 1
        guard let code = rest.popFirst() else { return false }
        opcode = code
        opcodeBytes = [code]
        return true
    }

    /// REX.X and REX.B of the memory operand, wherever they are encoded.
    private var rexBits: UInt8 {
        if let rex { return rex & 3 }
        guard encoding == .vex, vectorPrefix.count == 3 else { return 0 }
        return ~(vectorPrefix[1] >> 5) & 3
    }

    private var hasModRM: Bool {
        switch map {
        case .oneByte: (0xd8...0xdf).contains(opcode)
        case .twoByte:
            switch opcode {
            case 0x04...0x0c, 0x0e, 0x30...0x37, 0x77, 0x80...0x8f, 0xa0...0xa2, 0xa8...0xaa, 0xc8...0xcf: false
            default: true
            }
        case .threeByte38, .threeByte3A: true
        }
    }

    private mutating func takeImmediate(_ rest: inout ArraySlice<UInt8>) -> Bool {
        let hasOne =
            switch map {
            case .oneByte, .threeByte38: false
            case .twoByte: (0x70...0x73).contains(opcode) || [0xc2, 0xc4, 0xc5, 0xc6].contains(opcode)
            case .threeByte3A: true
            }
        guard hasOne else { return true }
        guard let byte = rest.popFirst() else { return false }
        immediate = [byte]
        return true
    }

    // MARK: - In another place

    /// The register that the memory operand's address is in, in what `rewritten` returns: by its number in the encoding.
    package var baseRegister: UInt8? {
        guard memory != nil else { return nil }
        if isRegisterForm { return 7 }
        // None that the instruction names by ModRM or VEX; RBX is CMPXCHG16B's, which leaves RSI free.
        return [6, 7, 3].first { $0 != extended && (encoding != .vex || $0 != secondSource & 7) }
    }

    /// The same instruction for 64-bit code, its memory operand where `baseRegister` points. `extended` replaces the part of
    /// the opcode in ModRM, and `opcode` the last byte of the opcode.
    package func rewritten(extended: UInt8? = nil, opcode: UInt8? = nil) -> [UInt8] {
        var prefix = vectorPrefix
        // VEX.X and VEX.B are inverted.
        if memory != nil, prefix.count == 3 { prefix[1] |= 0x60 }
        var bytes = kept
        if let rex { bytes.append(memory != nil && !isRegisterForm ? rex & 0xfc : rex) }
        bytes += prefix + opcodeBytes
        if let opcode { bytes[bytes.count - 1] = opcode }
        if memory != nil, !isRegisterForm {
            bytes.append((extended ?? self.extended) << 3 | baseRegister!)
        } else {
            bytes += registerForm
        }
        return bytes + immediate
    }
}

/// Reads SIB and displacement behind a ModRM byte of 32-bit or 64-bit addressing.
private struct AddressForm {
    var bytes: ArraySlice<UInt8>
    /// REX.X and REX.B.
    let rex: UInt8
    let file: RegisterFile
    let isLong: Bool
    private(set) var sum: UInt64 = 0
    /// What is at `sum` begins behind the instruction.
    private(set) var isRelative = false
    /// Its base is RSP or RBP.
    private(set) var usesStackSegment = false

    init(bytes: ArraySlice<UInt8>, rex: UInt8, file: RegisterFile, isLong: Bool) {
        (self.bytes, self.rex, self.file, self.isLong) = (bytes, rex, file, isLong)
    }

    /// False where bytes are missing.
    mutating func read(_ modrm: UInt8) -> Bool {
        let mode = modrm >> 6
        var displacement = mode == 2 ? 4 : Int(mode)
        if modrm & 7 == 4 {
            guard let sib = bytes.popFirst() else { return false }
            let index = sib >> 3 & 7 | (rex >> 1 & 1) << 3
            if index != 4 { sum = X86.general(index, file) << UInt64(sib >> 6) }
            if sib & 7 == 5, mode == 0 { displacement = 4 } else { addBase(sib & 7) }
        } else if modrm & 7 == 5, mode == 0 {
            displacement = 4
            isRelative = isLong
        } else {
            addBase(modrm & 7)
        }
        guard bytes.count >= displacement else { return false }
        let value = Array(bytes.prefix(displacement))
        bytes.removeFirst(displacement)
        switch displacement {
        case 1: sum &+= UInt64(bitPattern: Int64(Int8(bitPattern: value[0])))
        case 4: sum &+= UInt64(bitPattern: Int64(Int32(bitPattern: value.number(at: 0, count: 4))))
        default: break
        }
        return true
    }

    private mutating func addBase(_ low: UInt8) {
        let number = low | (rex & 1) << 3
        sum &+= X86.general(number, file)
        usesStackSegment = number == 4 || number == 5
    }
}

extension X86 {
    /// A general register by its number in the instruction encoding: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    package static func general(_ number: UInt8, _ file: RegisterFile) -> UInt64 { file.field(generalOffset(number)) }

    package static func setGeneral(_ number: UInt8, _ file: inout RegisterFile, to value: UInt64) {
        file.storage.store(value, at: generalOffset(number), count: 8)
        file.changed.formUnion(.general)
    }

    private static func generalOffset(_ number: UInt8) -> Int {
        // In the order of `struct kvm_regs`.
        let order = [0, 2, 3, 1, 6, 7, 4, 5]
        return Storage.general + (number < 8 ? order[Int(number)] : Int(number)) * 8
    }

    /// Bytes of an operand without prefixes: 2 or 4.
    package static func codeWordSize(_ file: RegisterFile) -> Int {
        switch mode(file) {
        case .real, .virtual8086, .protected16: 2
        case .long, .protected32: 4
        case .compatibility: file.storage[Field.codeSegment + 17] != 0 ? 4 : 2
        }
    }

    /// The base of the segment that a prefix selects; 64-bit code has bases in FS and GS only.
    static func segmentBase(_ prefix: UInt8, _ file: RegisterFile) -> UInt64 {
        let isLong = mode(file) == .long
        switch prefix {
        case 0x64: return file.field(Field.dataSegments[2])
        case 0x65: return file.field(Field.dataSegments[3])
        case _ where isLong: return 0
        case 0x2e: return file.field(Field.codeSegment)
        case 0x36: return file.field(Field.stackSegment)
        case 0x26: return file.field(Field.dataSegments[1])
        default: return file.field(Field.dataSegments[0])
        }
    }
}
