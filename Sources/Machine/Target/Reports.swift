import Architecture
import Debugger
import Host
import Interrupts
import KVM
import Primitives

// What the machine says about itself, for monitor commands and thread lists.
extension VirtualMachine {
    package func report(_ topic: ReportTopic) -> String {
        switch topic {
        case .processor(let index): describe(processors[index])
        case .machine: describeMachine()
        case .exits: ExitStatistics.text(processors.map(\.counts.exits))
        case .exitsReset: resetStatistics()
        case .capabilities: HostReport(capabilities).text
        case .memoryMap: map
        case .screen: describeScreen()
        case .breakpoint(let address): describe(breakpointAt: address)
        case .watchpoint(let watchpoint): describe(watchpoint)
        }
    }

    private func describe(_ processor: Processor) -> String {
        let file = processor.registers
        let activity: String
        do throws(KVMError) {
            activity =
                switch try processor.activity() {
                case .runnable: "runnable"
                case .uninitialized, .initReceived: "waiting for a start-up interrupt"
                case .halted: "halted"
                case .startupReceived: "starting"
                case .stopped: "switched off"
                }
        } catch {
            activity = "unknown (\(error))"
        }
        return "\(activity), \(architecture.modeName(file))"
    }

    private func describeMachine() -> String {
        let seconds = (Clock.monotonic - runState.started) / 1_000_000_000
        let count = processors.count
        return "\(configuration.name): \(configuration.memory.size >> 20) MiB, \(count) vCPU\(count == 1 ? "" : "s"), "
            + "irqchip \(configuration.interruptController.rawValue), up \(seconds) s\n\(configuration.image.summary)"
            + (console.dropped > 0 ? "\nconsole: \(console.dropped) bytes of output dropped" : "")
    }

    private func describeScreen() -> String {
        guard let screen else { return "this machine has no text screen, or it begins outside of memory" }
        let cursor = screen.cursor.map { "row \($0.row), column \($0.column)" } ?? "off the screen"
        return (screen.lines + ["cursor: \(cursor)"]).joined(separator: "\n")
    }

    private func resetStatistics() -> String {
        for processor in processors {
            processor.counts.exits.reset()
            processor.counts.hits = HitCounts()
        }
        return "exit counts start from zero"
    }
}

/// What a host's KVM can do, for people and for programs: `doctor`, `monitor capabilities`.
package struct HostReport {
    private let capabilities: HostDebugCapabilities

    package init(_ capabilities: HostDebugCapabilities) { self.capabilities = capabilities }

    /// Examines this host.
    package static func examine() throws(MachineError) -> HostReport {
        do throws(KVMError) { return HostReport(try Probe.host(try System())) } catch { throw MachineError(error) }
    }

    /// arm64: whether the kernel gives its guests a GICv3 and no GICv2.
    package static var hasOnlyGICv3: Bool {
        guard let system = try? System(), let vm = try? system.makeVM() else { return false }
        return VGIC.version(in: vm) == .v3
    }

    /// One line a finding, advice below those that need it.
    package var text: String {
        let rows = capabilities.findings
        let width = rows.map(\.question.count).max() ?? 0
        return rows.flatMap { row in
            let space = String(repeating: " ", count: width - row.question.count)
            return ["\(row.question)\(space)  \(row.answer)"] + (row.advice.map { ["  -> \($0)"] } ?? [])
        }.joined(separator: "\n")
    }

    /// A JSON object: each finding's key with its answer; advice under `advice`.
    package var json: String {
        let rows = capabilities.findings
        let answers = rows.map { row in
            let value =
                Int(row.answer) != nil
                ? row.answer
                : row.answer == "yes" || row.answer == "no"
                    ? "\(row.answer == "yes")" : "\"\(row.answer)\""
            return "  \"\(row.key)\": \(value)"
        }
        let advice = rows.compactMap { row in row.advice.map { "    \"\(row.key)\": \"\($0)\"" } }
        return "{\n"
            + (answers + ["  \"advice\": {\n" + advice.joined(separator: ",\n") + "\n  }"]).joined(separator: ",\n")
            + "\n}"
    }
}
