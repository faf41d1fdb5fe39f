import Glibc
import Host
import Machine

/// `demo`: the guest "hello" under a real gdb, chapter by chapter. Every line of output between the explanations is
/// gdb's own or, after `guest|`, the guest's.
func demo() throws(Failure) -> Int32 {
    guard let places = Places() else {
        throw .host("demo needs the folders guests and gdb of the package that stubvisor was built in")
    }
    try places.build("hello")
    let kernel = places.guest("hello")
    var options = try RunOptions(parsing: [kernel])
    options.console = .prefixed("guest| ")
    let isInteractive = isatty(STDIN_FILENO) == 1
    let commands = Chapter.tour.flatMap { $0.commands(pausing: isInteractive) }
    let status = try withDebugger(options, joined: true, interrupt: true) { socket in
        ["gdb", "-q", "-nx", "-batch", "-x", places.gdbScript, "-ex", "set style enabled off", kernel]
            + (Chapter.opening(socket) + commands).flatMap { ["-ex", $0] }
    }
    if status == 0 { print("\n\nNow your own kernel:  stubvisor debug KERNEL") }
    return status
}

/// One part of the tour: what is about to be seen, and the gdb commands that show it.
private struct Chapter {
    let title: String
    let text: String
    let commands: [String]

    init(_ title: String, _ text: String, _ commands: [String]) {
        self.title = title
        self.text = text
        self.commands = commands
    }

    static let tour = [
        Chapter(
            "A breakpoint by name",
            "The guest is held before its first instruction. gdb knows its symbols and its sources.",
            ["break greet", "continue", "backtrace", "list", "info args"]),
        Chapter(
            "Registers and memory",
            "All of the processor's state is there, system registers too. Memory is read through the guest's page tables.",
            ["info registers rip rsp eflags cr0 cr3 efer", "x/3i $pc", "print machine", "x/s name"]),
        Chapter(
            "Stepping",
            "A step never lands in an interrupt handler.",
            ["stepi", "next", "info line"]),
        Chapter(
            "A condition, and the value a function returns",
            "The call tree of a recursion, and what one call in it gives.",
            ["tbreak factorial if n == 3", "continue", "backtrace", "finish"]),
        Chapter(
            "A watchpoint",
            "It stops at the instruction that changes the counter, wherever that is.",
            ["watch counter", "continue", "continue", "backtrace 1", "delete"]),
        Chapter(
            "The machine behind it",
            "Monitor commands ask stubvisor itself; `monitor help` lists them.",
            ["info threads", "monitor why", "monitor info exits"]),
        Chapter(
            "To the end",
            "The guest writes to its power-off port.",
            ["continue"]),
    ]

    static func opening(_ socket: String) -> [String] {
        ["echo stubvisor demo: a guest kernel under KVM, debugged by gdb\\n", "target remote \(socket)"]
    }

    /// gdb commands: a heading, then each command shown as if it were typed, and run.
    func commands(pausing: Bool) -> [String] {
        let pause = pausing ? ["chapter-pause"] : []
        let heading = ["echo \\n== \(title)\\n"] + (text.isEmpty ? [] : ["echo \(text)\\n"])
        return pause + heading + commands.flatMap { ["echo (gdb) \($0)\\n", $0] }
    }
}
