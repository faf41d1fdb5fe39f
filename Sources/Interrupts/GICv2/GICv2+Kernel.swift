import Primitives

extension GICv2 {
    /// A kernel's GIC as its registers show it, by offset and processor. For views: nothing is recorded.
    ///
    /// GICD_ISPENDR has latch and line in one; here a level-sensitive interrupt is pending by its line, which is how
    /// most come to be. In which order interrupts were acknowledged
    /// is not reported, so `running` is empty. GICC_PMR is wanted as a guest reads it, with bit 7 the highest.
    package init(
        viewing configuration: Configuration, distributor read: (_ offset: Int, _ cpu: Int) -> UInt32,
        interface readInterface: (_ offset: Int, _ cpu: Int) -> UInt32
    ) {
        var configuration = configuration
        configuration.traceCapacity = 1
        self.init(configuration)
        isView = true
        distributor.control = read(0x000, 0)
        for word in 0..<configuration.words {
            for cpu in 0..<(word == 0 ? configuration.processors : 1) { load(word, cpu, read) }
        }
        for cpu in interfaces.indices {
            for offset in stride(from: 0, to: 16, by: 4) {
                let word = read(0xf20 + offset, cpu)
                for i in 0..<4 {
                    distributor.sources[cpu << 4 | offset + i] = UInt8(truncatingIfNeeded: word >> UInt32(8 * i))
                }
            }
            interfaces[cpu].setControl(readInterface(0x00, cpu))
            interfaces[cpu].setPriorityMask(readInterface(0x04, cpu))
            interfaces[cpu].setBinaryPoint(readInterface(0x08, cpu))
            interfaces[cpu].setAliasedBinaryPoint(readInterface(0x1c, cpu))
            for word in 0..<interfaces[cpu].activeWords {
                interfaces[cpu].activePriorities[word: word] = readInterface(0xd0 + 4 * word, cpu)
            }
        }
        var out = InterruptOutcome()
        for row in distributor.latch.indices { recordPending(row, cause: .unknown, at: ModelTime(nanoseconds: 0)) }
        updateOutputs(at: ModelTime(nanoseconds: 0), &out)
        forgetRecord()
    }

    /// 32 interrupts.
    private mutating func load(_ word: Int, _ cpu: Int, _ read: (_ offset: Int, _ cpu: Int) -> UInt32) {
        let row = distributor.row(word, cpu)
        distributor.group[row] = read(0x080 + 4 * word, cpu)
        distributor.enabled[row] = read(0x100 + 4 * word, cpu)
        distributor.active[row] = read(0x300 + 4 * word, cpu)
        for i in 0..<8 {
            let priorities = read(0x400 + word << 5 + 4 * i, cpu)
            let targets = word == 0 ? 0 : read(0x800 + word << 5 + 4 * i, cpu)
            for byte in 0..<4 {
                let slot = row << 5 | 4 * i + byte
                distributor.priority[slot] = UInt8(truncatingIfNeeded: priorities >> UInt32(8 * byte))
                if word > 0 { distributor.setTargets(slot, UInt8(truncatingIfNeeded: targets >> UInt32(8 * byte))) }
            }
        }
        var edge: UInt32 = 0
        for half in 0..<2 {
            let fields = read(0xc00 + word << 3 + 4 * half, cpu)
            for bit in 0..<16 where fields >> UInt32(2 * bit + 1) & 1 != 0 { edge |= 1 << UInt32(16 * half + bit) }
        }
        distributor.edge[row] = edge
        let pending = read(0x200 + 4 * word, cpu)
        (distributor.latch[row], distributor.line[row]) = (pending & edge, pending & ~edge)
    }
}
