/// What `stubvisor help` prints.
enum Help {
    static let version = "0.1.0"

    static let overview = """
        stubvisor: a KVM virtual machine monitor that is a gdb server

          stubvisor run [OPTIONS] KERNEL [-- KERNEL COMMAND LINE]
              boot KERNEL and hold it for:  gdb KERNEL -ex 'target remote :1234'
          stubvisor debug [OPTIONS] KERNEL
              the same, with gdb started on it
          stubvisor demo
              a guided tour: a guest under a real gdb
          stubvisor doctor [--json]
              what this host's KVM really does, with advice
          stubvisor help [COMMAND] | --version

        Exit status: 0 the guest powered off; (value << 1) | 1 it wrote value to port 0xf4; 64 wrong usage; 65 bad kernel
        image; 69 no usable KVM; 70 the guest died with no debugger attached; 71 the host refused something else;
        128 + n signal n (INT, TERM or HUP) ended it.
        """

    static func text(_ command: String?) throws(Failure) -> String {
        switch command {
        case nil: return overview
        case "run":
            return "stubvisor run [OPTIONS] KERNEL [-- KERNEL COMMAND LINE]\n\n" + options(Option.table)
        case "debug":
            return "stubvisor debug [OPTIONS] KERNEL [-- KERNEL COMMAND LINE]\n\n"
                + options(Option.table.filter { !$0.isOfServer })
        case "demo":
            return "stubvisor demo\n\nBuilds the guest \"hello\" and debugs it with gdb, which must be installed. "
                + "On a terminal it\nwaits for Enter between chapters."
        case "doctor":
            return
                "stubvisor doctor [--json]\n\nTries breakpoints, steps and memory traps on a throwaway machine and says "
                + "which of them work here."
        case let command?: throw .usage("there is no command \"\(command)\"")
        }
    }

    private static func options(_ table: [Option]) -> String {
        table.map { option in
            let head = "  \(option.name)" + (option.value.map { " \($0)" } ?? "")
            return "\(head)\n      \(option.help)"
        }.joined(separator: "\n")
    }
}
