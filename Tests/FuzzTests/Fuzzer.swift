import Foundation
import TestSupport
import Testing

/// A way into the program for bytes that come from outside, to be fed anything.
struct FuzzEntry: CustomTestStringConvertible, Sendable {
    let name: String
    /// Rounds where no time is given: a few seconds of a debug build.
    let quick: Int
    /// Valid inputs, which are spoiled.
    let seeds: [[UInt8]]
    /// What inputs of this kind are made of.
    var words: [[UInt8]] = []
    /// Takes any bytes; says what was wrong with what came of them.
    let run: @Sendable ([UInt8]) -> String?

    var testDescription: String { name }

    /// The input of one round: the same for the same numbers.
    func input(seed: UInt64, round: Int) -> [UInt8] {
        var random = Seeded(seed &+ UInt64(round) &* 0x1_0000_0001)
        if random.chance(3) { return random.bytes(Int.random(in: 0...300, using: &random)) }
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...8, using: &random) { spoil(&bytes, &random) }
        return bytes
    }

    private static let extremes: [UInt64] = [
        0, 1, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 47, 1 << 60, 1 << 63,
        .max - 7, .max,
    ]

    /// Changes a bit, a byte, a number, or what stands where.
    private func spoil(_ bytes: inout [UInt8], _ random: inout Seeded) {
        let index = Int.random(in: 0...bytes.count, using: &random)
        let byte = UInt8(truncatingIfNeeded: random.next() >> 32)
        let end = Int.random(in: index...min(bytes.count, index + 16), using: &random)
        switch Int.random(in: 0..<12, using: &random) {
        case 0 where index < bytes.count: bytes[index] ^= 1 << (byte & 7)
        case 1 where index < bytes.count: bytes[index] = byte
        case 2: bytes.removeSubrange(index..<end)
        case 3 where random.chance(20): bytes.removeSubrange(index...)
        case 4: bytes.insert(contentsOf: bytes[index..<end], at: index)
        case 5: bytes.insert(byte, at: index)
        case 6, 7: replace(&bytes, index, words.randomElement(using: &random) ?? [byte])
        case 8: bytes.insert(contentsOf: words.randomElement(using: &random) ?? [byte], at: index)
        case 9:
            // As text, the way packets have numbers.
            let value = random.chance(50) ? Self.extremes.randomElement(using: &random)! : random.magnitude()
            replace(&bytes, index, Array(String(value, radix: 16).utf8))
        case 10:
            let other = seeds.randomElement(using: &random) ?? []
            let from = Int.random(in: 0...other.count, using: &random)
            bytes = Array(bytes[..<index] + other[from...])
        default:
            var value = random.chance(70) ? Self.extremes.randomElement(using: &random)! : random.magnitude()
            if random.chance(30) { value = value.byteSwapped }
            let count = [1, 2, 4, 8].randomElement(using: &random)!
            replace(&bytes, index & ~(count - 1), (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) })
        }
    }

    private func replace(_ bytes: inout [UInt8], _ index: Int, _ word: [UInt8]) {
        bytes.replaceSubrange(index..<min(bytes.count, index + word.count), with: word)
    }
}

/// Feeds an entry. An input that crashes or hangs is in a file, whose name is said at the start:
///
///     STUBVISOR_FUZZ_SECONDS=300 swift test --filter FuzzTests       # each entry for five minutes
///     STUBVISOR_FUZZ_INPUT=/tmp/stubvisor-fuzz-session swift test --filter FuzzTests
///
/// STUBVISOR_FUZZ_ENTRY=session takes that entry alone, STUBVISOR_FUZZ_SEED repeats a run. What is found belongs into Finds.swift.
struct Fuzzer {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["STUBVISOR_FUZZ_SECONDS"].flatMap(Double.init)
    private static let only = environment["STUBVISOR_FUZZ_ENTRY"]
    static let replayed = environment["STUBVISOR_FUZZ_INPUT"]

    /// Seconds that one round may take, of which the fastest takes microseconds.
    private static let patience = 10.0
    /// Seconds after which the process is ended, since nothing else ends an endless loop.
    private static let lastResort: UInt32 = 120
    /// Bytes by which one round may raise the process's memory.
    private static let gluttony = 1 << 30

    let entry: FuzzEntry

    private var file: String { NSTemporaryDirectory() + "stubvisor-fuzz-" + entry.name }

    func replay(_ path: String) throws {
        guard path.hasSuffix("-" + entry.name) else { return }
        let input = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        if let flaw = entry.run(input) { Issue.record("\(entry.name): \(flaw)") }
    }

    func run() {
        guard Self.only == nil || Self.only == entry.name else { return }
        let seed =
            Self.environment["STUBVISOR_FUZZ_SEED"].flatMap { UInt64($0) }
            ?? (Self.seconds == nil ? 1 : UInt64.random(in: 1...UInt64(UInt32.max)))
        let isLong = Self.seconds != nil
        if isLong { print("fuzz \(entry.name): seed \(seed), the current input is in \(file)") }
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer { close(descriptor) }
        let start = ContinuousClock.now
        var (round, finds, memory) = (0, 0, Self.peakMemory)
        while finds < 5, isLong ? start.duration(to: .now) < .seconds(Self.seconds!) : round < entry.quick {
            let input = entry.input(seed: seed, round: round)
            if ftruncate(descriptor, 0) != 0 || pwrite(descriptor, input, input.count, 0) != input.count {
                Issue.record("\(file) cannot be written")
            }
            let flaw = measured(input, &memory)
            if let flaw {
                finds += 1
                try? Data(input).write(to: URL(fileURLWithPath: "\(file)-\(round)-\(entry.name)"))
                Issue.record("\(entry.name), seed \(seed), round \(round), in \(file)-\(round)-\(entry.name): \(flaw)")
            }
            round += 1
        }
        if isLong { print("fuzz \(entry.name): \(round) executions in \(start.duration(to: .now)), \(finds) finds") }
        if finds == 0 { unlink(file) }
    }

    /// Runs one round; too much time or memory is a flaw as well.
    private func measured(_ input: [UInt8], _ memory: inout Int) -> String? {
        let start = ContinuousClock.now
        alarm(Self.lastResort)
        let flaw = entry.run(input)
        alarm(0)
        if let flaw { return flaw }
        let took = start.duration(to: .now)
        if took > .seconds(Self.patience) { return "it took \(took)" }
        let before = memory
        memory = Self.peakMemory
        return memory - before > Self.gluttony ? "it took \((memory - before) >> 20) MiB of memory" : nil
    }

    private static var peakMemory: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss << 10
    }
}
