import Interrupts
import Primitives

// The interrupt commands of a machine with a GIC: the same names as a PC's have (see InterruptCommands).
extension MonitorCommand {
    static let gicCommands: [MonitorCommand] = looking + acting + elsewhere

    private static let looking: [MonitorCommand] = [
        MonitorCommand(
            name: "info irqs", arguments: "[pending|active|enabled|all] [cpu C] [--json]",
            summary: "interrupts in use: pending, line, active, enabled, priority, count"
        ) { session, words throws(Refusal) in try session.listGICInterrupts(words) },
        MonitorCommand(
            name: "info gic", arguments: "[cpu C] [raw] [--json]",
            summary: "the Distributor and the CPU interfaces, decoded; raw: every register that is not 0"
        ) { session, words throws(Refusal) in try session.describeGIC(words) },
        MonitorCommand(name: "info irq", arguments: "", summary: "irq stats", isAlias: true) {
            session, words throws(Refusal) in try session.gicStatistics(words)
        },
        MonitorCommand(name: "info pic", arguments: "", summary: "info gic", isAlias: true) {
            session, words throws(Refusal) in try session.describeGIC(words)
        },
        MonitorCommand(
            name: "irq show", arguments: "N [cpu C] [--json]", summary: "everything about one interrupt"
        ) { session, words throws(Refusal) in try session.showGICInterrupt(words) },
        MonitorCommand(
            name: "irq why", arguments: "N [cpu C] [--json]",
            summary: "each condition between an interrupt and the vCPU, and which one blocks it"
        ) { session, words throws(Refusal) in try session.explainGICInterrupt(words) },
        MonitorCommand(
            name: "irq trace", arguments: "[COUNT | on | off | clear] [--json]",
            summary: "the last interrupt events, with times"
        ) { session, words throws(Refusal) in try session.traceGIC(words) },
        MonitorCommand(
            name: "irq timeline", arguments: "FILE", summary: "write the events as a Chrome trace, for Perfetto"
        ) { session, words throws(Refusal) in try session.saveGICTimeline(words) },
        MonitorCommand(
            name: "irq stats", arguments: "[N] [--json]",
            summary: "counts and latencies from pending to end of interrupt"
        ) { session, words throws(Refusal) in try session.gicStatistics(words) },
        MonitorCommand(
            name: "irq flows", arguments: "[physical | virtual | sgi] [--json]",
            summary: "how an interrupt reaches a guest of a hypervisor, step by step, and its list registers"
        ) { session, words throws(Refusal) in try session.showFlows(words) },
        MonitorCommand(name: "irq warnings", arguments: "[--json]", summary: "what the guest does wrong") {
            session, words throws(Refusal) in try session.gicWarnings(words)
        },
    ]

    private static let acting: [MonitorCommand] = [
        MonitorCommand(
            name: "inject-irq", arguments: "N [cpu C] [edge | level | pulse]",
            summary: "make an interrupt pending; its trigger decides how if nothing is said"
        ) { session, words throws(Refusal) in try session.injectIntoGIC(words) },
        MonitorCommand(name: "lower-irq", arguments: "N [cpu C]", summary: "lower an input that inject-irq raised") {
            session, words throws(Refusal) in
            try session.ask(words) { words throws(Refusal) in .lower(try words.id(), cpu: words.cpu) }
        },
        MonitorCommand(name: "clear-irq", arguments: "N [cpu C]", summary: "clear what is pending") {
            session, words throws(Refusal) in
            try session.ask(words) { words throws(Refusal) in .clear(try words.id(), cpu: words.cpu) }
        },
        MonitorCommand(name: "irq mask", arguments: "N [cpu C]", summary: "disable an interrupt in the Distributor") {
            session, words throws(Refusal) in
            try session.ask(words) { words throws(Refusal) in .mask(try words.id(), cpu: words.cpu, true) }
        },
        MonitorCommand(name: "irq unmask", arguments: "N [cpu C]", summary: "enable it") {
            session, words throws(Refusal) in
            try session.ask(words) { words throws(Refusal) in .mask(try words.id(), cpu: words.cpu, false) }
        },
        MonitorCommand(name: "irq priority", arguments: "N P [cpu C]", summary: "give it another priority") {
            session, words throws(Refusal) in
            try session.ask(words, 2) { words throws(Refusal) in
                .priority(try words.id(), cpu: words.cpu, try words.byte(at: 1, "a priority of 8 bits"))
            }
        },
        MonitorCommand(name: "irq route", arguments: "N MASK", summary: "send an SPI to other CPU interfaces") {
            session, words throws(Refusal) in
            let count = session.processorCount
            return try session.ask(words, 2) { words throws(Refusal) in
                .route(try words.id(), to: try words.mask(at: 1, "a mask of CPU interfaces", of: count))
            }
        },
        MonitorCommand(name: "irq group", arguments: "N 0 | 1 [cpu C]", summary: "put it into a group") {
            session, words throws(Refusal) in
            try session.ask(words, 2) { words throws(Refusal) in
                let group = try words.byte(at: 1, "group 0 or 1")
                guard group <= 1 else { throw Refusal("groups are 0 and 1") }
                return .group(try words.id(), cpu: words.cpu, isOne: group == 1)
            }
        },
        MonitorCommand(
            name: "inject-sgi", arguments: "N from C to MASK | self | others",
            summary: "send a software generated interrupt as a vCPU would"
        ) { session, words throws(Refusal) in try session.injectSoftwareInterrupt(words) },
        MonitorCommand(
            name: "irq break", arguments: "N on pend | deliver | ack | eoi",
            summary: "stop there; deliver stops on the handler's first instruction, as catch irq does"
        ) { session, words throws(Refusal) in try session.breakOnInterrupt(words) },
    ]

    /// What people know from a PC: refused with what there is instead.
    private static let elsewhere: [MonitorCommand] = [
        absent("inject-nmi", GICv2.nonMaskableRefusal + ", nor has KVM's GICv3"),
        absent("nmi", GICv2.nonMaskableRefusal + ", nor has KVM's GICv3"),
        absent("inject-ipi", "on a GIC these are SGIs: inject-sgi N from C to MASK | self | others"),
        absent("inject-vector", "a GIC has no vectors: inject-irq N"),
        absent("inject-msi", "this GIC takes no messages: inject-irq N"),
        absent("info lapic", "this machine has a GIC: info gic"),
        absent("info ioapic", "this machine has a GIC: info gic"),
    ]
}
