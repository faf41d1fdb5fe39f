import Host

/// Why a measurement cannot be made.
struct BenchError: Error {
    let message: String
    /// As for stubvisor: 64 wrong usage, 71 the host refused something.
    var status: Int32 = 71
}

/// Runs the measures that the command line names on stubvisor and, where asked for, on a peer, side by side.
func bench(_ arguments: [String]) throws(BenchError) -> Int32 {
    var measures: [Measure] = []
    var timesInterrupts = false
    var rounds = 3
    var servers: [Server] = [.stubvisor]
    var rest = arguments[...]
    while let argument = rest.popFirst() {
        switch argument {
        case "--peer":
            guard rest.popFirst() == "qemu" else { throw BenchError(message: "the only --peer is qemu", status: 64) }
            servers.append(.qemu)
        case "--rounds":
            guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else {
                throw BenchError(message: "--rounds needs a number", status: 64)
            }
            rounds = count
        case InterruptBench.name: timesInterrupts = true
        default:
            guard let measure = Measure.table.first(where: { $0.name == argument }) else {
                let rows = Measure.table.map { ($0.name, $0.unit) } + [(InterruptBench.name, InterruptBench.summary)]
                let names = rows.map { "  \($0.0): \($0.1)" }.joined(separator: "\n")
                throw BenchError(message: "there is no measure \"\(argument)\"; there are:\n\(names)", status: 64)
            }
            measures.append(measure)
        }
    }
    if measures.isEmpty, !timesInterrupts { (measures, timesInterrupts) = (Measure.table, true) }
    if timesInterrupts { try InterruptBench.run(rounds: rounds) }
    if measures.isEmpty { return 0 }
    print("median of \(rounds), one client on loopback TCP, guest loop32")
    for measure in measures {
        var results: [Double?] = []
        for server in servers {
            let median = try measure.median(of: rounds, on: server)
            results.append(median)
            let value = median.map { "\(Int($0.rounded()))" } ?? "does not work"
            print("\(pad(measure.name, 12)) \(pad(server.name, 10)) \(value) \(median == nil ? "" : measure.unit)")
        }
        if results.count == 2, let own = results[0], let peer = results[1], peer > 0 {
            print("\(pad(measure.name, 12)) ratio      \((own / peer * 10).rounded() / 10)")
        }
    }
    return 0
}

private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
