import Interrupts
import Primitives

/// An interrupt command: one row for every kind of interrupt controllers. Views change nothing; a request takes effect when
/// the machine resumes. Every command that prints state accepts `--json`.
struct InterruptCommand: Sendable {
    /// What the command is on one kind of controllers.
    enum Form: Sendable {
        case has(_ arguments: String, _ summary: String)
        /// Another command's second name: works, but is not listed.
        case alias(of: String)
        /// Known from other controllers: refused with what there is instead.
        case absent(String)
    }

    let name: String
    let pc: Form
    let gic: Form
    let run: @Sendable (Session, [Substring]) throws(Refusal) -> String

    init(
        _ name: String, pc: Form, gic: Form, run: @escaping @Sendable (Session, [Substring]) throws(Refusal) -> String
    ) {
        self.name = name
        self.pc = pc
        self.gic = gic
        self.run = run
    }

    /// The same on both.
    init(_ name: String, _ form: Form, run: @escaping @Sendable (Session, [Substring]) throws(Refusal) -> String) {
        self.init(name, pc: form, gic: form, run: run)
    }

    func command(_ form: Form) -> MonitorCommand {
        switch form {
        case .has(let arguments, let summary):
            MonitorCommand(name: name, arguments: arguments, summary: summary, run: run)
        case .alias(let other): MonitorCommand(name: name, arguments: "", summary: other, isAlias: true, run: run)
        case .absent(let reason):
            MonitorCommand(name: name, arguments: "", summary: reason, isAlias: true) { _, _ throws(Refusal) in
                throw Refusal(reason)
            }
        }
    }

    static let table = views + requests

    private static let views: [InterruptCommand] = [
        InterruptCommand(
            "info irqs",
            pc: .has(
                "[pending|active|enabled|all] [cpu C] [--json]",
                "every interrupt: pending, line, active, enabled, its vector, count and target"),
            gic: .has(
                "[pending|active|enabled|all] [cpu C] [--json]",
                "interrupts in use: pending, line, active, enabled, priority, count")
        ) { session, words throws(Refusal) in try session.listInterrupts(words) },
        InterruptCommand(
            "info gic", pc: .absent("a PC has no GIC: info lapic, info ioapic, info pic"),
            gic: .has(
                "[cpu C] [raw] [--json]",
                "the Distributor and the CPU interfaces, decoded; raw: every register that is not 0")
        ) { session, words throws(Refusal) in try session.describeGIC(words) },
        InterruptCommand(
            "info lapic", pc: .has("[CPU] [--json]", "a vCPU's local APIC, decoded"),
            gic: .absent("this machine has a GIC: info gic")
        ) { session, words throws(Refusal) in try session.describeLocalAPIC(words) },
        InterruptCommand(
            "info ioapic", pc: .has("[--json]", "the I/O APIC's pins"), gic: .absent("this machine has a GIC: info gic")
        ) { session, words throws(Refusal) in
            try session.show(words) { pc in (pc.ioapic.text, pc.ioapic.json) }
        },
        InterruptCommand(
            "info pic", pc: .has("[--json]", "the I/O APIC and the 8259 pair"), gic: .alias(of: "info gic")
        ) { session, words throws(Refusal) in
            if session.hasGIC { return try session.describeGIC(words) }
            return try session.show(words) { pc in
                (pc.ioapic.text + pc.pics.text, .object([("ioapic", pc.ioapic.json), ("pic", pc.pics.json)]))
            }
        },
        InterruptCommand("info irq", .alias(of: "irq stats")) {
            session, words throws(Refusal) in try session.interruptStatistics(words)
        },
        InterruptCommand(
            "irq show", pc: .has("N [--json]", "everything about one interrupt"),
            gic: .has("N [cpu C] [--json]", "everything about one interrupt")
        ) { session, words throws(Refusal) in try session.showInterrupt(words) },
        InterruptCommand(
            "irq why",
            pc: .has(
                "N [cpu C] [--json] | vector V cpu C",
                "each condition between an interrupt and the vCPU, and which one blocks it"),
            gic: .has(
                "N [cpu C] [--json]", "each condition between an interrupt and the vCPU, and which one blocks it")
        ) { session, words throws(Refusal) in try session.explainInterrupt(words) },
        InterruptCommand(
            "irq trace", .has("[COUNT | on | off | clear] [--json]", "the last interrupt events, with times")
        ) { session, words throws(Refusal) in try session.traceInterrupts(words) },
        InterruptCommand(
            "irq timeline",
            .has("FILE", "write the events as a Chrome trace, for Perfetto: a new file in the folder of --output")
        ) { session, words throws(Refusal) in try session.saveTimeline(words) },
        InterruptCommand(
            "irq stats", .has("[N] [--json]", "counts and latencies from pending to end of interrupt")
        ) { session, words throws(Refusal) in try session.interruptStatistics(words) },
        InterruptCommand(
            "irq flows", pc: .absent("a PC's interrupts have no list registers: irq why N, irq trace"),
            gic: .has(
                "[physical | virtual | sgi] [--json]",
                "how an interrupt reaches a guest of a hypervisor, step by step, and its list registers")
        ) { session, words throws(Refusal) in try session.showFlows(words) },
        InterruptCommand("irq warnings", .has("[--json]", "what the guest does wrong")) {
            session, words throws(Refusal) in try session.warnings(words)
        },
    ]

    private static let noNMI = Form.absent(GICv2.nonMaskableRefusal + ", nor has KVM's GICv3")

    private static let requests: [InterruptCommand] = [
        InterruptCommand(
            "inject-irq",
            pc: .has(
                "N [edge | level | pulse]",
                "assert an input as its device would; the pin's trigger mode decides if nothing is said"),
            gic: .has(
                "N [cpu C] [edge | level | pulse]",
                "make an interrupt pending; its trigger decides how if nothing is said")
        ) { session, words throws(Refusal) in try session.injectInterrupt(words) },
        InterruptCommand(
            "lower-irq", pc: .has("N", "lower an input that inject-irq raised"),
            gic: .has("N [cpu C]", "lower an input that inject-irq raised")
        ) { session, words throws(Refusal) in
            try session.request(words) { words throws(Refusal) in .lower(try words.input(), cpu: words.cpu) }
        },
        InterruptCommand(
            "clear-irq", pc: .has("VECTOR cpu C", "clear a vector that is pending in a local APIC"),
            gic: .has("N [cpu C]", "clear what is pending")
        ) { session, words throws(Refusal) in
            try session.request(words) { words throws(Refusal) in
                .clear(session.hasGIC ? try words.input() : Int(try words.vector()), cpu: words.cpu)
            }
        },
        InterruptCommand(
            "irq mask", pc: .has("N", "mask an I/O APIC pin"),
            gic: .has("N [cpu C]", "disable an interrupt in the Distributor")
        ) { session, words throws(Refusal) in
            try session.request(words) { words throws(Refusal) in .mask(try words.input(), cpu: words.cpu, true) }
        },
        InterruptCommand("irq unmask", pc: .has("N", "unmask it"), gic: .has("N [cpu C]", "enable it")) {
            session, words throws(Refusal) in
            try session.request(words) { words throws(Refusal) in .mask(try words.input(), cpu: words.cpu, false) }
        },
        InterruptCommand(
            "irq priority",
            pc: .absent("an APIC's interrupts have no priority of their own: bits 7 to 4 of the vector are it"),
            gic: .has("N P [cpu C]", "give it another priority")
        ) { session, words throws(Refusal) in
            try session.request(words, 2) { words throws(Refusal) in
                .priority(try words.input(), cpu: words.cpu, try words.byte(at: 1, "a priority of 8 bits"))
            }
        },
        InterruptCommand(
            "irq route", pc: .has("N DESTINATION", "send a pin's interrupts elsewhere"),
            gic: .has("N MASK", "send an SPI to other CPU interfaces")
        ) { session, words throws(Refusal) in try session.routeInterrupt(words) },
        InterruptCommand(
            "irq group", pc: .absent("a PC's interrupts have no groups"),
            gic: .has("N 0 | 1 [cpu C]", "put it into a group")
        ) { session, words throws(Refusal) in
            try session.request(words, 2) { words throws(Refusal) in
                let group = try words.byte(at: 1, "group 0 or 1")
                guard group <= 1 else { throw Refusal("groups are 0 and 1") }
                return .group(try words.input(), cpu: words.cpu, isOne: group == 1)
            }
        },
        InterruptCommand(
            "inject-vector", pc: .has("VECTOR [cpu C]", "give a local APIC a vector"),
            gic: .absent("a GIC has no vectors: inject-irq N")
        ) { session, words throws(Refusal) in
            try session.request(words) { words throws(Refusal) in .vector(try words.vector(), cpu: words.cpu) }
        },
        InterruptCommand(
            "inject-ipi", pc: .has("VECTOR to C | all | others", "as the selected vCPU would send it"),
            gic: .absent("on a GIC these are SGIs: inject-sgi N from C to MASK | self | others")
        ) { session, words throws(Refusal) in try session.injectIPI(words) },
        InterruptCommand(
            "inject-sgi",
            pc: .absent("a PC has no software-generated interrupts: inject-ipi VECTOR to C | all | others"),
            gic: .has("N from C to MASK | self | others", "send a software generated interrupt as a vCPU would")
        ) { session, words throws(Refusal) in try session.injectSGI(words) },
        InterruptCommand(
            "inject-msi", pc: .has("ADDRESS DATA", "a device's message"),
            gic: .absent("this GIC takes no messages: inject-irq N")
        ) { session, words throws(Refusal) in try session.injectMessage(words) },
        InterruptCommand("inject-nmi", pc: .has("[C | all]", "a non-maskable interrupt"), gic: noNMI) {
            session, words throws(Refusal) in try session.injectNonMaskable(words)
        },
        InterruptCommand("nmi", pc: .alias(of: "inject-nmi"), gic: noNMI) {
            session, words throws(Refusal) in try session.injectNonMaskable(words)
        },
        InterruptCommand(
            "irq break",
            .has(
                "N on pend | deliver | ack | eoi",
                "stop there; deliver stops on the handler's first instruction, as catch irq does")
        ) { session, words throws(Refusal) in try session.breakOnInterrupt(words) },
    ]
}
