import Glibc
import Host

/// Where this checkout's `guests` and `gdb` folders are: beside the package that the program was built in.
struct Places {
    private let root: String

    /// Looks upwards from the program's own file; nil when it was moved away from its package.
    init?() {
        guard var folder = executablePath() else { return nil }
        while let slash = folder.lastIndex(of: "/") {
            folder = String(folder[..<slash])
            if isExecutable(folder + "/guests/build") {
                root = folder
                return
            }
        }
        return nil
    }

    var gdbScript: String { root + "/gdb/stubvisor.gdb" }
    var guestBuilder: String { root + "/guests/build" }

    /// The guest's ELF file.
    func guest(_ name: String) -> String { root + "/.build/guests/\(name).elf" }
}

extension Places {
    /// Builds the guest if it is not up to date.
    func build(_ name: String) throws(Failure) {
        let status: Int32
        do throws(Errno) { status = try ChildProcess([guestBuilder, name], input: false).wait() } catch {
            throw .host("cannot start \(guestBuilder): \(error)")
        }
        if status != 0 { throw .host("the guest \"\(name)\" could not be built (see above)") }
    }
}
