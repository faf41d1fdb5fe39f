import Primitives

/// How far an entry into the guest goes. Handed to `enter`; an entry within another one has its own.
enum Stepping {
    /// Until something stops it.
    case run
    /// Until the first instruction of an exception's handler; the exception is queued.
    case toHandler
    /// One instruction, by KVM's own step.
    case single
    /// The same with watched pages in place (see `retry`).
    case retry
    /// x86: until an instruction is next, with a breakpoint that no client knows of.
    case until(Destination)
    /// x86: one instruction of user mode on hosts whose KVM does not step it: until its trap flag's exception.
    case trapFlag(TrapStep)
    /// arm64: a load-exclusive with its store.
    case exclusive(ExclusiveRun)

    struct Destination {
        /// The breakpoint here does not count.
        let start: VirtualAddress
        let end: VirtualAddress
        /// The first instruction of any exception's handler ends it, too.
        let endsInHandler: Bool
    }

    /// Whether KVM steps.
    var isSingle: Bool {
        switch self {
        case .single, .retry: true
        case .run, .toHandler, .until, .trapFlag, .exclusive: false
        }
    }

    /// Whether an exception ends it at the first instruction of its handler.
    var endsInHandler: Bool {
        switch self {
        case .single, .retry, .toHandler: true
        case .until(let destination): destination.endsInHandler
        case .run, .trapFlag, .exclusive: false
        }
    }

    var isRetry: Bool { if case .retry = self { true } else { false } }

    var destination: Destination? { if case .until(let destination) = self { destination } else { nil } }

    var trapStep: TrapStep? { if case .trapFlag(let step) = self { step } else { nil } }

    var exclusiveRun: ExclusiveRun? { if case .exclusive(let run) = self { run } else { nil } }
}
