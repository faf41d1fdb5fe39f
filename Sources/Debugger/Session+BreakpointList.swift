import Primitives
import RemoteProtocol

// `monitor breakpoints`: what is set, by what means it works here, and what it has cost.
extension Session {
    func describeBreakpoints() -> String {
        if breakpoints.isEmpty { return "none" }
        return breakpoints.requests.map { "\(Self.name(of: $0)): \(explanation(of: $0))" }.joined(separator: "\n")
    }

    private static func name(of request: BreakpointRequest) -> String {
        let bytes = request.length == 1 ? "1 byte" : "\(request.length) bytes"
        let what =
            switch request.kind {
            case .software: "breakpoint"
            case .hardware: "hardware breakpoint"
            case .writeWatchpoint: "watchpoint on writes, \(bytes)"
            case .readWatchpoint: "watchpoint on reads, \(bytes)"
            case .accessWatchpoint: "watchpoint on any access, \(bytes)"
            }
        return "\(request.address) \(what)"
    }

    private func explanation(of request: BreakpointRequest) -> String {
        if let watchpoint = watchpoint(request) { return target.report(.watchpoint(watchpoint)) }
        let means = target.report(.breakpoint(request.address))
        guard request.kind == .software, target.traits.breakpointInstruction != nil else { return means }
        return (breakpoints.planted.contains(request.address) ? "planted, " : "waiting for the address to be mapped, ")
            + means
    }
}
