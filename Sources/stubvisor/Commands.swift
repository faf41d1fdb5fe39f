import Host
import Machine

/// Does what the command line says and returns the exit status.
func perform(_ arguments: [String]) throws(Failure) -> Int32 {
    guard let command = arguments.first else {
        print(Help.overview)
        return 64
    }
    let rest = Array(arguments.dropFirst())
    if ["run", "debug", "demo", "doctor"].contains(command), rest.prefix(while: { $0 != "--" }).contains("--help") {
        print(try Help.text(command))
        return 0
    }
    switch command {
    case "run": return try run(try RunOptions(parsing: rest))
    case "debug": return try debug(try RunOptions(parsing: rest, allowing: .debugger))
    case "demo":
        guard rest.isEmpty else { throw .usage("demo takes no arguments, but got \(rest[0])") }
        return try demo()
    case "doctor": return try doctor(rest)
    case "help", "--help", "-h":
        print(try Help.text(rest.first))
        return 0
    case "--version", "version":
        print("stubvisor \(Help.version)")
        return 0
    default: throw .usage("there is no command \"\(command)\"")
    }
}

/// What this host's KVM really does, with advice.
private func doctor(_ arguments: [String]) throws(Failure) -> Int32 {
    guard arguments.isEmpty || arguments == ["--json"] else { throw .usage("doctor takes only --json") }
    do throws(MachineError) {
        let report = try HostReport.examine()
        print(arguments.isEmpty ? report.text : report.json)
        return 0
    } catch {
        throw Failure(error)
    }
}
