import Foundation
import Interrupts
import Primitives
import Testing

@testable import Debugger

/// `irq timeline` beside the rules of the Trace Event Format and what Perfetto asks of it: events have a name, a phase, a
/// process and a thread; those in time a time stamp in microseconds; complete ones a duration, and on one thread they
/// lie inside each other or apart; begins have their ends; instants a scope; metadata an argument of its kind.
@Suite("interrupt timeline")
struct TimelineTests {
    /// Interrupts on two processors, one inside another, one that comes twice, one that is not over, and a mistake.
    static func busy() -> PCInterruptController {
        var pc = InterruptCommandTests.controllers()
        var time: UInt64 = 1_000
        func now() -> ModelTime {
            time += 1_234
            return ModelTime(nanoseconds: time, programCounter: 0x10_0000 + time)
        }
        func end(_ cpu: Int) { _ = pc.writeMemory(0, PhysicalAddress(0xfee0_00b0), size: 4, cpu, at: now()) }
        end(0)
        for _ in 0..<3 {
            _ = pc.inject(InterruptMessage(vector: 0x61, to: 1), at: now())
            _ = pc.acknowledge(1, at: now())
            _ = pc.inject(InterruptMessage(vector: 0x41, to: 0), at: now())
            _ = pc.inject(InterruptMessage(vector: 0x41, to: 0), at: now())
            _ = pc.acknowledge(0, at: now())
            _ = pc.inject(InterruptMessage(vector: 0x71, to: 0), at: now())
            _ = pc.acknowledge(0, at: now())
            end(1)
            end(0)
            end(0)
        }
        _ = pc.inject(InterruptMessage(vector: 0x91, to: 1), at: now())
        _ = pc.acknowledge(1, at: now())
        _ = pc.pulseLine(4, at: now())
        _ = pc.acknowledge(0, at: now())
        end(0)
        return pc
    }

    /// What `events` break of the rules.
    private func violations(_ events: [[String: Any]]) -> [String] {
        var found: [String] = []
        var open: [String: [String]] = [:]
        var slices: [String: [(start: Double, end: Double)]] = [:]
        for (i, event) in events.enumerated() {
            func wrong(_ what: String) { found.append("event \(i): \(what)") }
            guard let phase = event["ph"] as? String, let name = event["name"] as? String, !name.isEmpty,
                let process = event["pid"] as? Int, let thread = event["tid"] as? Int
            else {
                wrong("no ph, name, pid or tid")
                continue
            }
            let track = "\(process)/\(thread)"
            let time = (event["ts"] as? NSNumber)?.doubleValue
            if phase != "M", time == nil || time! < 0 { wrong("no time stamp") }
            if phase != "X", event["dur"] != nil { wrong("a duration that means nothing") }
            if let arguments = event["args"], !(arguments is [String: Any]) { wrong("args is no object") }
            switch phase {
            case "M":
                let names = ["process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"]
                let arguments = event["args"] as? [String: Any]
                if names[name].flatMap({ arguments?[$0] }) == nil { wrong("metadata \(name) without its argument") }
            case "X":
                guard let length = (event["dur"] as? NSNumber)?.doubleValue, length >= 0 else {
                    wrong("no duration")
                    continue
                }
                slices[track, default: []].append((time ?? 0, (time ?? 0) + length))
            case "B": open[track, default: []].append(name)
            case "E": if open[track]?.popLast() == nil { wrong("an end without its begin") }
            case "i": if !["g", "p", "t"].contains(event["s"] as? String ?? "") { wrong("no scope") }
            default: wrong("phase \(phase)")
            }
        }
        found += open.filter { !$0.value.isEmpty }.map { "\($0.key): begun and not ended: \($0.value)" }
        for (track, all) in slices {
            let sorted = all.sorted { ($0.start, -$0.end) < ($1.start, -$1.end) }
            var outer: [Double] = []
            for slice in sorted {
                while let end = outer.last, end <= slice.start { outer.removeLast() }
                if let end = outer.last, slice.end > end { found.append("\(track): slices overlap at \(slice.start)") }
                outer.append(slice.end)
            }
        }
        return found
    }

    /// The file that `irq timeline` writes.
    private func timeline(_ controllers: PCInterruptController) throws -> [String: Any] {
        let client = Conversation(SimulatedTarget(processors: 2))
        client.target.controllers = controllers
        #expect(client.monitor("irq timeline /some/where").contains("/some/where"))
        let bytes = try #require(client.target.savedFiles["/some/where"])
        return try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    @Test("the timeline keeps to the trace event format")
    func format() throws {
        let root = try timeline(Self.busy())
        #expect(["ms", "ns"].contains(root["displayTimeUnit"] as? String))
        let events = try #require(root["traceEvents"] as? [[String: Any]])
        #expect(violations(events) == [])
        // What has no names here is a thread all the same: each has one.
        let named = Set(events.filter { $0["name"] as? String == "thread_name" }.compactMap { $0["tid"] as? Int })
        #expect(named == Set(events.compactMap { $0["tid"] as? Int }))
        let instants = events.filter { $0["ph"] as? String == "i" }.compactMap { $0["ts"] as? Double }
        #expect(instants == instants.sorted())
    }

    @Test("each interrupt that was ended is one slice on its processor's track, the inner one inside the outer")
    func slices() throws {
        let events = try #require(timeline(Self.busy())["traceEvents"] as? [[String: Any]])
        let services = events.filter { $0["ph"] as? String == "X" }
        let names = services.map { "\($0["tid"] ?? "") \($0["name"] ?? "")" }.sorted()
        let once = ["1 irq v113", "1 irq v65", "2 irq v97"]
        #expect(names == ["1 irq 4"] + once.flatMap { [String](repeating: $0, count: 3) })
        // In nanoseconds, exactly: 0x41 from its acknowledgement over 0x71's two, the end on the other and its own.
        let outer = try #require(services.first { $0["name"] as? String == "irq v65" })
        let inner = try #require(services.first { $0["name"] as? String == "irq v113" })
        #expect(outer["dur"] as? Double == 5 * 1.234 && inner["dur"] as? Double == 2 * 1.234)
    }

    @Test("an interrupt of the 8259, whose EOI names no processor, is a slice on the track of who took it")
    func pair() throws {
        var pc = InterruptCommandTests.controllers()
        var time: UInt64 = 0
        func now() -> ModelTime {
            time += 1_000
            return ModelTime(nanoseconds: time)
        }
        _ = pc.writeMemory(0x700, PhysicalAddress(0xfee0_0350), size: 4, 0, at: now())
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0x21, 0)] as [(UInt16, UInt8)] {
            _ = pc.writePort(port, value, at: now())
        }
        _ = pc.setLine(1, true, at: now())
        #expect(pc.acknowledge(0, at: now()).vector == 0x31)
        _ = pc.writePort(0x20, 0x20, at: now())
        let events = try #require(timeline(pc)["traceEvents"] as? [[String: Any]])
        #expect(violations(events) == [])
        let services = events.filter { $0["ph"] as? String == "X" }
        #expect(services.map { $0["name"] as? String } == ["irq 1"] && services.first?["tid"] as? Int == 1)
        #expect(services.first?["dur"] as? Double == 1.0)
    }

    @Test("an empty trace is a timeline too")
    func empty() throws {
        let root = try timeline(PCInterruptController(PCInterruptController.Configuration()))
        #expect((root["traceEvents"] as? [Any])?.isEmpty == true)
    }

    @Test(
        "the checker finds what breaks a rule",
        arguments: [
            #"{"ph":"i","name":"a","pid":1,"tid":1,"s":"t"}"#, #"{"ph":"i","name":"a","pid":1,"tid":1,"ts":1}"#,
            #"{"ph":"X","name":"a","pid":1,"tid":1,"ts":1}"#, #"{"ph":"X","name":"a","pid":1,"ts":1,"dur":1}"#,
            #"{"ph":"B","name":"a","pid":1,"tid":1,"ts":1}"#, #"{"ph":"E","name":"a","pid":1,"tid":1,"ts":1}"#,
            #"{"ph":"M","name":"thread_name","pid":1,"tid":1}"#, #"{"ph":"?","name":"a","pid":1,"tid":1,"ts":1}"#,
            #"{"ph":"X","name":"a","pid":1,"tid":1,"ts":1,"dur":5},{"ph":"X","name":"b","pid":1,"tid":1,"ts":3,"dur":9}"#,
        ])
    func checker(text: String) throws {
        let events = try JSONSerialization.jsonObject(with: Data("[\(text)]".utf8)) as? [[String: Any]]
        #expect(violations(try #require(events)).count == 1)
    }
}
