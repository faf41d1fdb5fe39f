import Foundation

/// Where the programs under test, the guests and gdb's scripts are.
enum Places {
    /// The package's folder.
    static let package = {
        var folder = URL(fileURLWithPath: #filePath)
        while !FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path),
            folder.path != "/"
        { folder.deleteLastPathComponent() }
        return folder.path
    }()

    /// The built program: beside the test bundle, which this process runs, whatever the scratch path.
    static let stubvisor = program("stubvisor")

    /// A folder for the files of this run, which everybody may read. It ends with the process.
    static let scratch: String = {
        let path = NSTemporaryDirectory() + "stubvisor-tests-\(getpid())"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        atexit { removeScratch() }
        return path
    }()

    private static func program(_ name: String) -> String {
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let beside = bundle.appendingPathComponent(name).path
        return access(beside, X_OK) == 0 ? beside : package + "/.build/debug/" + name
    }

    static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    /// A file of the test's own.
    static func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = scratch + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}

private func removeScratch() { try? FileManager.default.removeItem(atPath: Places.scratch) }

/// The guests of `guests/`, built when they are older than their sources.
enum Guest {
    /// The file to run.
    static func path(_ name: String) throws -> String {
        let build = try Program.run([Places.package + "/guests/build", "--path", name], within: 120)
        guard build.status == 0 else { throw LiveError("the guest \(name) was not built: \(build.errors)") }
        return build.output.trimmingCharacters(in: .newlines)
    }

    /// The compiler that a guest was made with, as its `.comment` section names it.
    static func compiler(_ name: String) throws -> String {
        let file = try Data(contentsOf: URL(fileURLWithPath: try symbols(name)))
        guard let start = file.range(of: Data("clang version ".utf8))?.lowerBound else {
            throw LiveError("\(name) does not say what compiled it")
        }
        return String(decoding: file[start...].prefix { $0 != 0 }, as: UTF8.self)
    }

    /// The file with the symbols: for a flat image it is another one.
    static func symbols(_ name: String) throws -> String {
        (try path(name) as NSString).deletingPathExtension + ".elf"
    }
}
