// QEMU's test protocol: a line a command, a line an answer, over the program's standard input and output. Between them
// come lines about intercepted wires: "IRQ raise 0".

import Foundation
import Glibc

/// A QEMU that only a test talks to: its processor never runs.
final class QTest {
    static let program = "qemu-system-aarch64"

    /// Where the program is; nil where it is not installed.
    static let path: String? = {
        let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":").map(String.init) ?? []
        return folders.map { $0 + "/" + program }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }()

    enum Failure: Error {
        /// It ended, or said nothing for a minute.
        case silence(after: String)
        case refused(command: String, answer: String)
    }

    /// An answer, and the wires that changed before it, in order.
    struct Answer {
        var value: UInt32 = 0
        var changes: [(wire: Int, level: Bool)] = []
    }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var bytes: [UInt8] = []
    private var start = 0

    init(_ path: String) throws {
        // QEMU stays when its input ends: where the tests are killed, `timeout` (coreutils) ends it.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments = [
            "--kill-after=5", "600", path, "-M", "virt,gic-version=2,virtualization=on", "-accel", "tcg", "-smp", "1",
            "-S", "-qtest", "stdio",
            "-qtest-log", "/dev/null", "-display", "none", "-nodefaults",
        ]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        // The threads that tests run on block nearly every signal, and a child inherits that: it could not be ended.
        var (none, old) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try process.run()
    }

    /// Ends the program that this object started: `timeout` passes the signal on, and waits.
    func end() {
        process.terminate()
        process.waitUntilExit()
    }

    /// Sends all commands, then reads all answers: as many as fit into a pipe at a time.
    func run(_ commands: [String]) throws -> [Answer] {
        var answers: [Answer] = []
        for first in stride(from: 0, to: commands.count, by: 256) {
            let batch = commands[first..<min(first + 256, commands.count)]
            try send(Array(batch.map { $0 + "\n" }.joined().utf8), before: batch[first])
            for command in batch { answers.append(try answer(to: command)) }
        }
        return answers
    }

    /// The program's death must be an error here, not the end of the tests: SIGPIPE is held back meanwhile.
    private func send(_ text: [UInt8], before command: String) throws {
        var (signals, old, soon) = (sigset_t(), sigset_t(), timespec())
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        var rest = text[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                write(input.fileHandleForWriting.fileDescriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 {
                sigtimedwait(&signals, nil, &soon)
                throw Failure.silence(after: command)
            }
            rest = rest.dropFirst(count)
        }
    }

    private func answer(to command: String) throws -> Answer {
        var answer = Answer()
        while true {
            let words = try line(after: command).split(separator: " ")
            if words.first == "IRQ", words.count == 3, let wire = Int(words[2]) {
                answer.changes.append((wire, words[1] == "raise"))
            } else if words.first == "OK" {
                if words.count == 2, let value = UInt64(words[1].dropFirst(2), radix: 16) {
                    answer.value = UInt32(truncatingIfNeeded: value)
                }
                return answer
            } else {
                throw Failure.refused(command: command, answer: words.joined(separator: " "))
            }
        }
    }

    private func line(after command: String) throws -> String {
        while true {
            if let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { start = end + 1 }
                return String(decoding: bytes[start..<end], as: UTF8.self)
            }
            bytes.removeFirst(start)
            start = 0
            let descriptor = output.fileHandleForReading.fileDescriptor
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, 60_000) == 1 else { throw Failure.silence(after: command) }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { throw Failure.silence(after: command) }
            bytes += chunk[..<count]
        }
    }
}
