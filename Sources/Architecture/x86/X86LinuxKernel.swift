import Primitives

/// A running Linux kernel: where it is mapped, beside where it was linked to be (kernel address space layout
/// randomisation, KASLR; Documentation/arch/x86/x86_64/mm.rst). What the kernel writes of itself for crash dumps counts
/// most (VMCOREINFO, Documentation/admin-guide/kdump/vmcoreinfo.rst), as far as the page tables bear it out: memory may
/// still hold what an earlier kernel wrote. Without it the page tables show it: the image is the first that is executable in
/// its gigabyte. Left out: 32-bit kernels.
package struct X86LinuxKernel: Equatable, Sendable {
    /// The vector of the local APIC's timer (Linux's arch/x86/include/asm/irq_vectors.h, LOCAL_TIMER_VECTOR).
    package static let localTimerVector: UInt8 = 0xec

    package enum Source: Sendable {
        case note, pageTables
    }

    /// Running minus linked addresses, in bytes.
    package let slide: UInt64
    /// Where the image begins.
    package let start: VirtualAddress
    package let source: Source
    /// `uname -r`, and the linker's build id in hexadecimal, where the kernel says them.
    package var release: String?
    package var buildID: String?

    /// Why none is found.
    package enum Absence: Error, Equatable, Sendable {
        case notLongMode
        /// An arm64 kernel moves itself only where the device tree has a seed for it, and ours has none.
        case otherArchitecture
        /// No executable page in the gigabyte of kernel images.
        case nothingMapped
        /// Something else is there.
        case foreign(VirtualAddress)
    }

    /// Where kernel images are mapped (`__START_KERNEL_map` and `KERNEL_IMAGE_SIZE` with KASLR).
    package static let images: Range<UInt64> = 0xffff_ffff_8000_0000..<0xffff_ffff_c000_0000
    /// Where an image is linked to be unless its configuration says otherwise: CONFIG_PHYSICAL_START is 16 MiB.
    package static let usualLinkAddress = VirtualAddress(0xffff_ffff_8100_0000)
    /// The least alignment of an image (MIN_KERNEL_ALIGN).
    private static let alignment: UInt64 = 0x20_0000

    /// Looks in the address space of `paging` for a kernel that was linked at `link`.
    package static func find(
        _ paging: X86Paging, linkedAt link: VirtualAddress = usualLinkAddress, in memory: some PhysicalMemory
    ) throws(Absence) -> X86LinuxKernel {
        guard paging.isLong, paging.cr0[bit: 31] else { throw .notLongMode }
        var views = [paging]
        // With page table isolation user mode has tables of its own, in the page behind the kernel's, in which little of
        // the kernel is mapped.
        if paging.cr3[bit: 12] { views.append(paging.replacingRoot(paging.cr3 & ~0x1000)) }
        guard let (start, view) = firstExecutable(in: views, memory) else { throw .nothingMapped }
        for note in X86CrashNote.all(in: memory) {
            guard let slide = note.kernelOffset, slide % alignment == 0 else { continue }
            let place = link.rawValue &+ slide
            guard images.contains(place), isExecutable(place, in: view, memory) else { continue }
            return X86LinuxKernel(
                slide: slide, start: VirtualAddress(place), source: .note, release: note.release,
                buildID: note.buildID)
        }
        guard start % alignment == 0, start >= link.rawValue, hasBanner(from: start, in: view, memory) else {
            throw .foreign(VirtualAddress(start))
        }
        return X86LinuxKernel(slide: start - link.rawValue, start: VirtualAddress(start), source: .pageTables)
    }

    /// The lowest executable page of all views, and the view that has it.
    private static func firstExecutable(
        in views: [X86Paging], _ memory: some PhysicalMemory
    ) -> (UInt64, X86Paging)? {
        var best: (address: UInt64, view: X86Paging)?
        for view in views {
            var address = images.lowerBound
            let end = best?.address ?? images.upperBound
            while address < end {
                let (page, next) = page(at: address, in: view, memory)
                if page?.isExecutable == true {
                    best = (address, view)
                    break
                }
                address = next
            }
        }
        return best.map { ($0.address, $0.view) }
    }

    /// The page at an address of `images`, and the address behind it, or behind the hole that is there.
    private static func page(
        at address: UInt64, in view: X86Paging, _ memory: some PhysicalMemory
    ) -> (Translation?, next: UInt64) {
        let (found, size): (Translation?, UInt64)
        do throws(TranslationFault) {
            let page = try view.translate(VirtualAddress(address), in: memory)
            (found, size) = (page, page.pageSize)
        } catch {
            (found, size) = (nil, error.span)
        }
        let (next, overflow) = (address & ~(size &- 1)).addingReportingOverflow(size)
        return (found, overflow || size == 0 ? .max : next)
    }

    private static func isExecutable(_ address: UInt64, in view: X86Paging, _ memory: some PhysicalMemory) -> Bool {
        (try? view.translate(VirtualAddress(address), in: memory).isExecutable) == true
    }

    /// Whether the image says "Linux version" where a compiler puts a long string: the first thing in its read-only
    /// data, 8-byte aligned. Looked for in the first 64 MiB.
    private static func hasBanner(from start: UInt64, in view: X86Paging, _ memory: some PhysicalMemory) -> Bool {
        let (words, end) = (X86CrashNote.words("Linux version "), min(start + 64 << 20, images.upperBound))
        var address = start
        while address < end {
            let (page, next) = page(at: address, in: view, memory)
            defer { address = next }
            guard let page else { continue }
            for offset in stride(from: 0, to: min(next, end) - address, by: 8) {
                let place = PhysicalAddress(page.physical.rawValue + offset)
                if memory.word(at: place) == words[0], let second = memory.word(at: place + 8),
                    second & .mask(48) == words[1]
                {
                    return true
                }
            }
        }
        return false
    }
}

extension X86LinuxKernel.Absence: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notLongMode: "the selected vCPU is not in long mode, where no 64-bit Linux runs yet"
        case .otherArchitecture: "only x86-64 kernels are looked for; an arm64 one stays where it was linked here"
        case .nothingMapped:
            "nothing is executable from \(hexadecimal(X86LinuxKernel.images.lowerBound)) on, where Linux kernels are mapped"
        case .foreign(let start): "what begins at \(start) does not look like a Linux kernel"
        }
    }
}
