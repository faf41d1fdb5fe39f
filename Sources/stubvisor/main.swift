import Host

// `stubvisor`: reads the command line, does it, and ends with the status that `stubvisor help` documents.
fillStandardDescriptors()
Privileges.setDescriptorsAside()
ignoreOutputSignals()
endQuietlyOnQuit()
do throws(Failure) {
    exitProcess(try perform(Array(CommandLine.arguments.dropFirst())))
} catch {
    diagnose(error.description)
    exitProcess(error.status)
}
