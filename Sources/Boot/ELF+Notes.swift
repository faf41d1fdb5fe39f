// Note segments: gABI chapter 5, "Note Section". The one note read here is Xen's, from xen/include/public/elfnote.h.

import Primitives

extension ELF {
    /// The physical entry for PVH, from the first XEN_ELFNOTE_PHYS32_ENTRY note; nil without one.
    /// Damaged notes end the search in their segment: a kernel is not refused for notes that are not needed.
    var pvhEntry: UInt64? {
        for header in programHeaders where header.type == ProgramHeader.note {
            if let entry = pvhEntry(inNotesOf: header) { return entry }
        }
        return nil
    }

    private static let xenName = Array("Xen\0".utf8)
    private static let phys32Entry: UInt32 = 18

    private func pvhEntry(inNotesOf header: ProgramHeader) -> UInt64? {
        let size = UInt64(file.count)
        guard header.offset <= size, header.fileSize <= size - header.offset else { return nil }
        var cursor = ByteCursor(Array(file[Int(header.offset)..<Int(header.offset + header.fileSize)]))
        // Name and descriptor are padded to 4 bytes, in segments of 8-byte alignment to 8.
        let alignment = header.alignment == 8 ? 8 : 4
        while let note = try? cursor.nextNote(alignment: alignment) {
            if note.type == Self.phys32Entry, note.name == Self.xenName[...], [4, 8].contains(note.descriptor.count) {
                return Array(note.descriptor).number(at: 0, count: note.descriptor.count)
            }
        }
        return nil
    }
}

extension ByteCursor {
    fileprivate typealias Note = (name: ArraySlice<UInt8>, descriptor: ArraySlice<UInt8>, type: UInt32)

    fileprivate mutating func nextNote(alignment: Int) throws(OutOfBounds) -> Note {
        let nameSize = Int(try next(UInt32.self))
        let descriptorSize = Int(try next(UInt32.self))
        let type = try next(UInt32.self)
        let name = try next(count: nameSize)
        offset = offset.roundedUp(to: alignment)
        let descriptor = try next(count: descriptorSize)
        offset = offset.roundedUp(to: alignment)
        return (name, descriptor, type)
    }
}
