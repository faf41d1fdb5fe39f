import Primitives
import RemoteProtocol

// vCPUs as threads: vCPU n is thread n + 1 of process 1.
extension Session {
    func threadID(_ processor: Int) -> ThreadID {
        client.features.contains(.multiprocess)
            ? ThreadID(process: Self.process, thread: processor + 1) : ThreadID(thread: .one(processor + 1))
    }

    /// The vCPUs that are the client's: none while it has no process.
    var ownProcessors: Range<Int> { 0..<(attachment == .attached ? processorCount : 0) }

    var allThreads: [ThreadID] { ownProcessors.map(threadID) }

    /// The vCPUs that `thread` means.
    func processors(_ thread: ThreadID) -> [Int] {
        (0..<processorCount).filter { thread.matches(process: Self.process, thread: $0 + 1) }
    }

    /// The vCPU that a request means: its thread suffix, or the selected one. Nil when there is no such thread.
    func processor(_ thread: ThreadID?) -> Int? {
        guard let thread else { return selected }
        if case .one = thread.thread { return processors(thread).first }
        return selected
    }

    func select(_ operation: ThreadOperation, _ thread: ThreadID) {
        guard let first = processors(thread).first else { return reply.error(.noThread, "no such thread") }
        let single = if case .one = thread.thread { true } else { false }
        switch operation {
        case .other: if single { selected = first }
        case .resume: client.selectedToResume = single ? first : nil
        }
        reply.ok()
    }

    func answerAlive(_ thread: ThreadID) {
        processors(thread).isEmpty || attachment != .attached ? reply.error(.noThread, "no such thread") : reply.ok()
    }

    func answerCurrentThread() {
        reply.text("QC")
        reply.thread(threadID(selected))
    }

    func answerExtraInfo(_ thread: ThreadID) {
        guard let processor = processors(thread).first else { return reply.error(.noThread, "no such thread") }
        reply.hex(Array("vCPU \(processor), \(target.report(.processor(processor)))".utf8)[...])
    }
}
