import Glibc
import Host
import TestSupport
import Testing

@testable import Machine

/// A reader that takes output only when it is let.
private final class Reader: Sendable {
    private struct State: Sendable {
        var isOpen = true
        var taken: [UInt8] = []
        var refusal: OutputQueue.Outcome?
    }

    private let state = Condition(State())
    private let seen = Condition<[OutputQueue.Event]>([])

    var taken: [UInt8] { state.look { $0.taken } }
    var events: [OutputQueue.Event] { seen.look { $0 } }

    func open(_ isOpen: Bool) { state.update { $0.isOpen = isOpen } }
    func refuse(_ outcome: OutputQueue.Outcome?) { state.update { $0.refusal = outcome } }

    func take(_ bytes: ArraySlice<UInt8>) -> OutputQueue.Outcome {
        state.wait { state -> OutputQueue.Outcome? in
            guard state.isOpen else { return nil }
            if let refusal = state.refusal { return refusal }
            state.taken += bytes
            return .taken(bytes.count)
        }
    }

    /// A started queue to this reader.
    func queue(capacity: Int) throws -> OutputQueue {
        let queue = OutputQueue(
            "test", capacity: capacity, report: { event in self.seen.update { $0.append(event) } }
        ) {
            self.take($0)
        }
        try queue.start()
        return queue
    }

    /// An event is reported after the flush that it ends.
    func waits(forEvents count: Int) {
        _ = seen.wait(milliseconds: 60_000) { $0.count >= count ? () : nil }
    }

    func waits(until isEnough: @escaping @Sendable ([UInt8]) -> Bool) {
        _ = state.wait(milliseconds: 60_000) { isEnough($0.taken) ? () : nil }
    }
}

@Suite("The console's output") struct ConsoleOutputTests {
    @Test("output to a reader that takes nothing comes back at once; what is too much is dropped, counted and said")
    func stuckReader() throws {
        let reader = Reader()
        reader.open(false)
        let queue = try reader.queue(capacity: 10_000)
        for _ in 0..<300 { queue.append([UInt8](repeating: 0x61, count: 100)) }
        #expect(queue.dropped == 20_000)
        #expect(reader.events == [.overflowing])
        #expect(!queue.flush(milliseconds: 1))
        #expect(!queue.flush(milliseconds: 3_600_000), "a reader that was found stuck is not waited for again")
        reader.open(true)
        reader.waits { $0.count == 10_000 }
        #expect(queue.flush(milliseconds: 60_000))
        reader.waits(forEvents: 2)
        #expect(reader.events == [.overflowing, .resumed(dropped: 20_000)])
        queue.append("after\n".utf8)
        #expect(queue.flush(milliseconds: 60_000))
        #expect(reader.taken.suffix(7) == Array("aafter\n".utf8)[...])
        queue.finish(milliseconds: 60_000)
    }

    @Test("a prompt without a newline is written while nothing follows")
    func prompt() throws {
        let reader = Reader()
        let queue = try reader.queue(capacity: 100)
        for byte in "login: ".utf8 { queue.append(byte) }
        reader.waits { $0.count == 7 }
        #expect(reader.taken == Array("login: ".utf8))
        queue.finish(milliseconds: 60_000)
    }

    @Test("bytes stay in order through pauses, lines and flushes", arguments: [1, 7, 4096, 100_000])
    func order(portion: Int) throws {
        let reader = Reader()
        let queue = try reader.queue(capacity: 1 << 20)
        var random = Seeded(UInt64(portion))
        let text = random.bytes(300_000)
        for start in stride(from: 0, to: text.count, by: portion) {
            queue.append(text[start..<min(start + portion, text.count)], endsLine: start % 3 == 0)
            if start % 5 == 0, portion > 4000 { queue.flush(milliseconds: 60_000) }
        }
        queue.finish(milliseconds: 60_000)
        #expect(reader.taken == text && queue.dropped == 0)
    }

    @Test("a flush goes on while the reader takes anything, however little at a time")
    func slowReader() throws {
        let queue = OutputQueue("test", capacity: 1 << 20) { _ in .taken(1) }
        try queue.start()
        for _ in 0..<5 {
            queue.append([UInt8](repeating: 0x61, count: 4000))
            #expect(queue.flush(milliseconds: 60_000))
        }
        queue.finish(milliseconds: 60_000)
        #expect(queue.dropped == 0)
    }

    @Test("a full disk is said once, counted, and tried again; the end of a reader is final")
    func refused() throws {
        let reader = Reader()
        reader.refuse(.lost(Errno(28), isFinal: false))
        let queue = try reader.queue(capacity: 1000)
        for _ in 0..<3 {
            queue.append("lost\n".utf8)
            #expect(queue.flush(milliseconds: 60_000))
        }
        #expect(reader.events == [.refused(Errno(28))] && queue.dropped == 15)
        reader.refuse(nil)
        queue.append("kept\n".utf8)
        #expect(queue.flush(milliseconds: 60_000))
        #expect(reader.taken == Array("kept\n".utf8))
        reader.refuse(.lost(.brokenPipe, isFinal: true))
        queue.append("gone\n".utf8)
        #expect(queue.flush(milliseconds: 60_000))
        reader.refuse(nil)
        queue.append("gone\n".utf8)
        #expect(queue.flush(milliseconds: 60_000))
        reader.waits(forEvents: 2)
        #expect(reader.events == [.refused(Errno(28)), .refused(.brokenPipe)] && queue.dropped == 25)
        queue.finish(milliseconds: 60_000)
    }

    @Test("the end waits a bounded time for a reader that takes nothing, and counts what is left")
    func finish() throws {
        let reader = Reader()
        reader.open(false)
        let queue = try reader.queue(capacity: 1000)
        queue.append("never read\n".utf8)
        queue.finish(milliseconds: 1)
        #expect(queue.dropped == 11 && reader.events == [.resumed(dropped: 11)])
        reader.open(true)
    }

    @Test("a client of --console unix: that does not read holds nobody up; the next one gets what comes then")
    func unreadClient() throws {
        let path = "/tmp/stubvisor-console-\(Clock.monotonic)"
        let console = try Console(.unix(path: path))
        defer { console.remove() }
        try console.start(arrived: {}, quit: {})
        do {
            let client = try Socket.connect(to: .unix(path: path))
            // Who is connected gets it all; until it is accepted nobody is there.
            var buffer = [UInt8](repeating: 0, count: 64)
            repeat {
                console.put(0x0a)
                console.flush()
            } while try client.receive(into: &buffer) == nil
            for _ in 0..<3 << 20 { console.put(0x62) }
            #expect(console.dropped > 1 << 20)
        }
        let next = try Socket.connect(to: .unix(path: path))
        var buffer = [UInt8](repeating: 0, count: 64)
        repeat {
            console.put(0x63)
            console.put(0x0a)
            console.flush()
        } while try next.receive(into: &buffer) == nil
        console.finish()
    }

    @Test("--console file: has a bound: what follows is refused for good")
    func fileBound() throws {
        let path = "/tmp/stubvisor-console-\(Clock.monotonic)"
        defer { unlink(path) }
        let file = try ConsoleFile(path, limit: 10)
        func write(_ text: String) -> Int? {
            if case .taken(let count) = file.write(Array(text.utf8)[...]) { count } else { nil }
        }
        #expect(write("123456") == 6)
        #expect(write("789abc") == 4)
        #expect(write("b") == nil)
        #expect(try Descriptor.contents(of: path) == Array("123456789a".utf8))
    }

    @Test("Ctrl-A x quits, Ctrl-A h helps, Ctrl-A Ctrl-A is one Ctrl-A, and nothing else is taken away")
    func escapeKey() {
        var keys = EscapeKey()
        let typed = [0x78, 0x03, 0x01, 0x01, 0x01, 0x68, 0x01, 0x7a, 0x1a, 0x01, 0x78, 0x78] as [UInt8]
        #expect(
            typed.map { keys.take($0) } == [
                .send(0x78), .send(0x03), .nothing, .send(0x01), .nothing, .help, .nothing, .nothing, .send(0x1a),
                .nothing, .quit, .send(0x78),
            ])
    }
}
