import Primitives

extension GICv3 {
    /// A real one as its registers show it; for views.
    ///
    /// In which order interrupts were acknowledged is not reported.
    package init(processors count: Int, _ traits: Traits = .kvm, reading read: (Register) -> UInt64) {
        self.init(
            processors: count, type: UInt32(truncatingIfNeeded: read(.distributor(Offset.type))), traits)
        for register in registers { store(register, read(register)) }
        for cpu in interfaces.indices {
            for name in SystemRegister.all where isThere(name, cpu) {
                store(.system(name, cpu: cpu), read(.system(name, cpu: cpu)))
            }
        }
    }

    /// Every register of the Distributor and the Redistributors that has state of its own.
    private var registers: [Register] {
        var all: [Register] = [.distributor(Offset.control), .distributor(Offset.identification)]
        for cpu in redistributors.indices {
            let offsets = [
                Offset.redistributorControl, Offset.redistributorType, Offset.redistributorTypeHigh, Offset.waker,
            ]
            all += offsets.map { .redistributor($0, cpu: cpu) } + fields(0..<32, cpu)
        }
        return all + fields(32..<words << 5, 0)
    }

    /// Those of the interrupts `ids`, whole words of them.
    private func fields(_ ids: Range<Int>, _ cpu: Int) -> [Register] {
        var all: [Register] = stride(from: ids.lowerBound, to: ids.upperBound, by: 32).map { .levels($0, cpu: cpu) }
        for block: Block in [.group, .setEnable, .setPending, .setActive, .priority, .trigger] {
            all += stride(from: ids.lowerBound, to: ids.upperBound, by: 32 / block.width)
                .map { block.register(of: $0, cpu) }
        }
        for id in ids where (32..<1020).contains(id) {
            let low = Block.route.rawValue + 8 * id
            all.append(.distributor(low))
            // The upper half is Aff3, which exists where GICD_TYPER.A3V is set.
            if type[bit: 24] { all.append(.distributor(low + 4)) }
        }
        return all
    }

    /// Of the active priorities there are as many words as ICC_CTLR_EL1.PRIbits makes necessary (IHI 0069, section
    /// 12.2.2). KVM refuses the others; with 8 bits it has the first alone.
    private func isThere(_ name: SystemRegister, _ cpu: Int) -> Bool {
        switch name {
        case .activeZero(let word), .activeOne(let word):
            switch interfaces[cpu].priorityBits {
            case 6: word < 2
            case 7: true
            default: word < 1
            }
        default: true
        }
    }
}
