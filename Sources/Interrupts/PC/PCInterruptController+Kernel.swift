import Primitives

extension PCInterruptController {
    /// A kernel's controllers as they are. For views: nothing is recorded, and no timer runs.
    package init(locals: [LocalAPIC], ioapic: IOAPIC, pics: PICPair) {
        var configuration = Configuration()
        configuration.processors = locals.count
        configuration.timerPin = 2
        configuration.traceCapacity = 1
        self.init(configuration)
        self.locals = locals
        self.ioapic = ioapic
        self.pics = pics
    }
}

extension PCInterruptController {
    /// The 4 KiB that processor `cpu` would read at `page`, which `claims` says is one of theirs: the I/O APIC's two
    /// registers, or `local`, the local APIC's. Zeroes are between them.
    package func inspect(_ page: PhysicalAddress, _ cpu: Int, local: LocalAPICRegisters) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 0x1000)
        for offset in stride(from: 0, to: LocalAPICRegisters.size, by: 16) {
            let isLocal = locals[cpu].isPage(page)
            let value =
                isLocal ? local.register(offset) : UInt32(truncatingIfNeeded: ioapic.read(offset: offset, size: 4))
            bytes.store(value, at: offset, count: 4)
        }
        return bytes
    }
}
