import Debugger
import Host

// Files that monitor commands make (see `DebugTarget.save`).
extension VirtualMachine {
    /// Whether monitor commands can make files, where they may.
    package func checkOutput() throws(Errno) { try configuration.output?.check() }

    package func save(_ bytes: [UInt8], as name: String) throws(Refusal) {
        guard let output = configuration.output else {
            throw Refusal("no monitor command writes files here: start stubvisor with --output DIR to have them in DIR")
        }
        guard OutputFolder.isPlain(name) else {
            throw Refusal("\(name): expected a file name without a folder: it goes to the folder of --output")
        }
        do throws(Errno) { try output.write(bytes, as: name) } catch {
            let advice = error == .exists ? "; only new files are made" : ""
            throw Refusal("cannot write \(name) in the folder of --output: \(error)\(advice)")
        }
    }
}
