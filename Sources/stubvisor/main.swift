import Host

// `stubvisor`: reads the command line, does it, and ends with the status that INTERFACE's table documents.
Privileges.setDescriptorsAside()
endQuietlyOnQuit()
do throws(Failure) {
    let status = try perform(Array(CommandLine.arguments.dropFirst()))
    diagnoseOmissions()
    exitProcess(status)
} catch {
    diagnose(error.description)
    exitProcess(error.status)
}
