// Tests of the built programs with real clients over a real /dev/kvm. They need what a host may lack: a test without it
// is skipped and says why, and how many were is said at the end of the run.

import Foundation
import Synchronization
import Testing

/// All live tests, one after the other: each wants a processor or two for itself.
@Suite("live", .serialized) enum Live {}

/// What machines are given that are slower than others.
enum Patience {
    /// How many times as slow as an ordinary machine this one is: $STUBVISOR_PATIENCE, which emulated machines set.
    static let factor = max(1, Double(ProcessInfo.processInfo.environment["STUBVISOR_PATIENCE"] ?? "") ?? 1)

    /// As many rounds as take the time that `count` take elsewhere.
    static func rounds(_ count: Int) -> Int { max(1, count / Int(factor)) }

    static func deadline(_ seconds: Double) -> ContinuousClock.Instant { .now + .seconds(seconds * factor) }
}

/// Something that went wrong in the test's own means.
struct LiveError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// What of the host's a test needs, with what is missing in words; nil where nothing is.
struct Need: Sendable {
    let missing: String?

    /// A host of the tests' guests, which are x86's: arm64's are driven by Tests/Lab.
    static let x86: Need = {
        #if arch(x86_64)
        return Need(missing: nil)
        #else
        return Need(missing: "this is a test of x86 guests")
        #endif
    }()

    /// A KVM for them.
    static let kvm: Need = {
        guard x86.missing == nil else { return x86 }
        let descriptor = open("/dev/kvm", O_RDWR | O_CLOEXEC)
        guard descriptor < 0 else {
            close(descriptor)
            return Need(missing: nil)
        }
        return Need(missing: "/dev/kvm cannot be opened here: \(String(cString: strerror(errno)))")
    }()

    static let gdb = installed("gdb")
    static let lldb = installed("lldb-19")
    static let clang = installed("clang")

    /// What Tests/Lab/trixie takes to be made, as far as is known without trying.
    static let trixie: Need = {
        guard getuid() == 0 else { return Need(missing: "a Debian trixie root, for gdb 16, takes root's rights") }
        let path = (try? Program.run([Trixie.script, "path"]))?.output.trimmingCharacters(in: .newlines) ?? ""
        return FileManager.default.fileExists(atPath: path) ? Need(missing: nil) : installed("debootstrap")
    }()

    /// What a triple fault leaves: kvm-amd resets the processor.
    static let faultRegisters = Need(missing: hasSVM ? "kvm-amd resets the processor" : nil)
    static let resetByFault = Need(missing: hasSVM ? nil : "KVM keeps the registers here")

    /// A data breakpoint on what an interrupt pushes is reported once that has been delivered.
    static let deliveryReported = Need(
        missing: hasSVM ? "an emulated SVM reports it before the delivery, and not of it" : nil)

    /// One instruction that meets two data breakpoints is reported with both.
    static let severalHits = Need(missing: hasSVM ? "an emulated SVM reports one data breakpoint at a time" : nil)

    static let avx512 = Need(
        missing: processorFlags.isSuperset(of: ["avx512f", "avx512bw"]) ? nil : "this processor has no AVX-512")

    /// The words in /proc/cpuinfo.
    private static let processorFlags = Set(
        (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split { " \n".contains($0) } ?? [])
    private static let hasSVM = processorFlags.contains("svm")

    /// An answer of `doctor --json`.
    enum Answer: String {
        case yes = "true"
        case no = "false"
        case exits = "\"exits as a debug event\""
    }

    /// What `doctor` finds on this host, a line each.
    private static let findings: [Substring] = {
        guard kvm.missing == nil else { return [] }
        return (try? Program.run([Places.stubvisor, "doctor", "--json"]))?.output.split(separator: "\n") ?? []
    }()

    /// A host of which `doctor` finds this.
    static func finding(_ key: String, _ answer: Answer) -> Need {
        let found = findings.first { $0.hasPrefix("  \"\(key)\": ") }.map { $0.dropFirst(key.count + 6) } ?? "unknown"
        let isThere = found == "\(answer.rawValue),"
        return Need(missing: isThere ? nil : "of \(key) this host's KVM says \(found.filter { !",\"".contains($0) })")
    }

    private static func installed(_ program: String) -> Need {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let isThere = (folders + ["/usr/sbin"]).contains { access("\($0)/\(program)", X_OK) == 0 }
        return Need(missing: isThere ? nil : "\(program) is not installed")
    }

    /// A kernel and an initrd with a shell.
    static let linux = Need(
        missing: ["STUBVISOR_LINUX", "STUBVISOR_INITRD"].allSatisfy { ProcessInfo.processInfo.environment[$0] != nil }
            ? nil : "STUBVISOR_LINUX and STUBVISOR_INITRD name no kernel with a shell")

    /// Debian's SeaBIOS.
    static let seaBIOS = Need(
        missing: FileManager.default.fileExists(atPath: "/usr/share/seabios/bios.bin")
            ? nil : "the package seabios is not installed")

    /// The demo looks for guests and scripts upwards from the program.
    static let package = Need(
        missing: Places.stubvisor.hasPrefix(Places.package + "/")
            ? nil : "the program was built outside of its package, where it finds no guests and no scripts")

    /// To become a user without rights who may open /dev/kvm all the same.
    static let strangersKVM: Need = {
        guard stranger.missing == nil else { return stranger }
        let attempt = try? Program.run(Program.strangersPrefix + ["test", "-w", "/dev/kvm"])
        return Need(missing: attempt?.status == 0 ? nil : "a user without rights may not open /dev/kvm")
    }()

    /// To become a user who may not open /dev/kvm.
    static let stranger: Need = {
        guard getuid() == 0 else { return Need(missing: "only root can become a user who may not open /dev/kvm") }
        let attempt = try? Program.run(Program.strangersPrefix + [Places.stubvisor, "--version"])
        return Need(missing: attempt?.status == 0 ? nil : "another user cannot run the program where it was built")
    }()
}

/// How many tests were skipped, by reason: said once, when the run is over.
private let skipped = Mutex<[String: Int]>([:])

private func countSkipped(_ reason: String) {
    let isFirst = skipped.withLock { counts in
        counts[reason, default: 0] += 1
        return counts.values.reduce(0, +) == 1
    }
    guard isFirst else { return }
    atexit {
        for (reason, count) in skipped.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            print("\(count) live test\(count == 1 ? "" : "s") skipped: \(reason)")
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where any of `needs` is missing.
    static func needs(_ needs: Need...) -> Self {
        guard let missing = needs.compactMap(\.missing).first else { return .enabled(if: true) }
        return .enabled("\(missing)") {
            countSkipped(missing)
            return false
        }
    }

    /// Skips the test where gdb 16 cannot be had. What it takes is tried, and made, only when the test is to run.
    static var gdb16: Self {
        .enabled("gdb 16 could not be had; the end of the output says why") {
            if let missing = Trixie.missing { countSkipped(missing) }
            return Trixie.missing == nil
        }
    }

    /// Skips the test where another compiler than the transcripts' makes the guests, with other addresses.
    static var compilersOfTranscripts: Self {
        .enabled("the transcripts are of guests that another compiler made") {
            let isTheirs =
                try ClientScript.renews
                || ClientScript.all.allSatisfy { try Guest.compiler($0.guest) == $0.compiler() }
            if !isTheirs { countSkipped("the transcripts are of guests that another compiler made") }
            return isTheirs
        }
    }
}
