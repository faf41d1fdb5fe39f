// The x86 processor state at an image's first instruction. Intel SDM volume 3, sections 2.5 (control registers),
// 2.4 (table registers), 3.4 (segments). Registers that are not here start as after a processor reset, the general
// ones at zero. Leaves out: vector and debug state; arm64.

import Primitives

/// Everything that differs from a reset processor when an image starts. Interrupts are off in every mode.
package struct StartState: Equatable, Sendable {
    /// GDTR or IDTR.
    package struct Table: Equatable, Sendable {
        package let base: PhysicalAddress
        /// The last valid offset, in bytes.
        package let limit: UInt16
    }

    package let mode: CPUMode
    /// RIP: an offset in `code`, so in real mode not the linear address.
    package let instructionPointer: UInt64
    /// CS.
    package let code: SegmentRegister
    /// DS, ES, FS and GS.
    package let data: SegmentRegister
    /// SS.
    package let stack: SegmentRegister
    /// TR.
    package let task: SegmentRegister
    package let gdt: Table
    package let idt: Table
    package let cr0: UInt64
    /// The PML4's physical address in long mode, else zero.
    package let cr3: UInt64
    package let cr4: UInt64
    package let efer: UInt64
    /// RFLAGS: only the bit that is always one.
    package let flags: UInt64 = 0x2

    package var rax: UInt64 = 0
    package var rbx: UInt64 = 0
    package var rsi: UInt64 = 0
    package var rdi: UInt64 = 0
    /// The stack's top: two zero words lie above it, so that a backtrace ends. Zero where the protocol leaves the
    /// stack to the kernel (multiboot, PVH).
    package var rsp: UInt64 = 0

    /// Real mode at `entry`, below 1 MiB; the interrupt table at 0 is all zero, there is no BIOS.
    /// CS is 0 where IP reaches the entry so.
    static func real(entry: UInt64, stack: PhysicalAddress) -> Self {
        let selector = entry < 0x1_0000 ? 0 : UInt16(entry >> 4)
        let stackSelector = UInt16(stack.rawValue >> 16) << 12
        var state = Self(
            mode: .real, instructionPointer: entry - UInt64(selector) << 4, code: .realCode(selector),
            data: .realData(0), stack: .realData(stackSelector), task: .task,
            gdt: Table(base: PhysicalAddress(0), limit: 0xFFFF), idt: Table(base: PhysicalAddress(0), limit: 0x3FF),
            cr0: CR0.extensionType, cr3: 0, cr4: 0, efer: 0)
        state.rsp = stack.rawValue & 0xFFFF
        return state
    }

    /// As after a reset of the processor.
    static let reset = Self(
        mode: .real, instructionPointer: 0xFFF0, code: .reset, data: .realData(0), stack: .realData(0), task: .task,
        gdt: Table(base: PhysicalAddress(0), limit: 0xFFFF), idt: Table(base: PhysicalAddress(0), limit: 0xFFFF),
        cr0: CR0.extensionType, cr3: 0, cr4: 0, efer: 0)

    /// Protected mode at `entry`: flat 4 GiB segments, code's by `selector` and data's by the next one, paging off.
    static func protected(
        entry: UInt64, layout: inout Layout, selector: UInt16 = SegmentRegister.code32.selector
    ) throws(BootError) -> Self {
        let code = SegmentRegister.code32.at(selector)
        let data = SegmentRegister.data.at(selector + 8)
        return try Self(
            mode: .protected, instructionPointer: entry, code: code, data: data, stack: data, task: .task,
            gdt: table(code: code, data: data, layout: &layout), idt: Table(base: PhysicalAddress(0), limit: 0),
            cr0: CR0.protection | CR0.extensionType, cr3: 0, cr4: 0, efer: 0)
    }

    /// Long mode at `entry`, a virtual address, under `tables`, with segments as in protected mode. SSE is enabled:
    /// compilers use it unasked.
    static func long(
        entry: UInt64, tables: PageTables, layout: inout Layout, selector: UInt16 = SegmentRegister.code64.selector
    ) throws(BootError) -> Self {
        let code = SegmentRegister.code64.at(selector)
        let data = SegmentRegister.data.at(selector + 8)
        let root = try layout.allocate(tables.size, alignment: 0x1000, for: "page tables")
        layout.place(tables.bytes(at: root), at: root)
        return try Self(
            mode: .long, instructionPointer: entry, code: code, data: data, stack: data, task: .task,
            gdt: table(code: code, data: data, layout: &layout), idt: Table(base: PhysicalAddress(0), limit: 0),
            cr0: CR0.protection | CR0.monitorCoprocessor | CR0.extensionType | CR0.numericError | CR0.paging,
            cr3: root.rawValue, cr4: CR4.pae | CR4.fxsave | CR4.simdExceptions,
            efer: EFER.longModeEnable | EFER.longModeActive)
    }

    /// Places a GDT with the descriptors of `code` and, behind it, `data`; those before are null.
    private static func table(
        code: SegmentRegister, data: SegmentRegister, layout: inout Layout
    ) throws(BootError) -> Table {
        var bytes = [UInt8](repeating: 0, count: Int(code.selector))
        for descriptor in [code.descriptor, data.descriptor] { bytes.append(littleEndian: descriptor) }
        let base = try layout.allocateAndPlace(bytes, alignment: 16, for: "GDT")
        return Table(base: base, limit: UInt16(bytes.count - 1))
    }
}

private enum CR0 {
    static let protection: UInt64 = 1 << 0
    static let monitorCoprocessor: UInt64 = 1 << 1
    static let extensionType: UInt64 = 1 << 4
    static let numericError: UInt64 = 1 << 5
    static let paging: UInt64 = 1 << 31
}

private enum CR4 {
    static let pae: UInt64 = 1 << 5
    static let fxsave: UInt64 = 1 << 9
    static let simdExceptions: UInt64 = 1 << 10
}

private enum EFER {
    static let longModeEnable: UInt64 = 1 << 8
    static let longModeActive: UInt64 = 1 << 10
}
