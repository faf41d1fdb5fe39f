import Primitives

/// The lowest virtual address of a 64-bit ELF file's segments, if it lies in `range`: where a kernel was linked to be,
/// wherever it then goes. Nil for other files.
package func linkAddress(of file: [UInt8], in range: Range<UInt64>) -> VirtualAddress? {
    guard ELF.isELF(file), let elf = try? ELF(file), elf.is64 else { return nil }
    // Not the lowest of all: per-CPU data is linked at 0.
    let segments = elf.programHeaders.filter { $0.type == ELF.ProgramHeader.load && $0.memorySize > 0 }
    return segments.map(\.virtualAddress).filter(range.contains).min().map { VirtualAddress($0) }
}
