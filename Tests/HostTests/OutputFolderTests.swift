import Foundation
import Testing

@testable import Host

@Suite("files made at a client's word") struct OutputFolderTests {
    /// A folder with an output folder in it, removed at the end.
    private final class Ground {
        let root: String
        var output: String { root + "/out" }

        init() throws {
            root = NSTemporaryDirectory() + "stubvisor-output-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
            try FileManager.default.createDirectory(atPath: root + "/out/sub", withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: root) }

        /// Every file below, with its contents.
        func files() throws -> [String: String] {
            var found: [String: String] = [:]
            for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
                if let text = try? String(contentsOfFile: root + "/" + name, encoding: .utf8) { found[name] = text }
            }
            return found
        }
    }

    @Test("a plain name is a new file in the folder")
    func plain() throws {
        let ground = try Ground()
        let folder = try OutputFolder(ground.output)
        try folder.check()
        try folder.write(Array("one".utf8), as: "a.json")
        try folder.write([], as: "..a")
        #expect(try ground.files() == ["out/a.json": "one", "out/..a": ""])
    }

    @Test(
        "no name leads out of the folder or below it",
        arguments: ["", ".", "..", "/etc/x", "../x", "sub/x", "sub/../x", "./x", "x/", "a\nb", "sub\u{0}x"])
    func elsewhere(name: String) throws {
        let ground = try Ground()
        let folder = try OutputFolder(ground.output)
        #expect(throws: Errno.self) { try folder.write([1], as: name) }
        #expect(try ground.files().isEmpty)
    }

    @Test(
        "what is there is neither changed, followed nor waited for",
        arguments: ["file", "link", "dangling", "pipe", "sub"])
    func existing(kind: String) throws {
        let ground = try Ground()
        let place = ground.output + "/x"
        try "mine".write(toFile: ground.root + "/target", atomically: false, encoding: .utf8)
        switch kind {
        case "file": try "mine".write(toFile: place, atomically: false, encoding: .utf8)
        case "link": symlink("../target", place)
        case "dangling": symlink("../nothing", place)
        case "pipe": mkfifo(place, 0o600)
        default: mkdir(place, 0o700)
        }
        let folder = try OutputFolder(ground.output)
        #expect(throws: Errno.exists) { try folder.write(Array("yours".utf8), as: "x") }
        #expect(try String(contentsOfFile: ground.root + "/target", encoding: .utf8) == "mine")
        #expect(access(ground.root + "/nothing", F_OK) != 0)
        if kind == "file" { #expect(try String(contentsOfFile: place, encoding: .utf8) == "mine") }
    }

    @Test("files go to the folder that was opened, whatever has its name later")
    func moved() throws {
        let ground = try Ground()
        let folder = try OutputFolder(ground.output)
        rename(ground.output, ground.root + "/moved")
        symlink("/", ground.output)
        try folder.write([0x61], as: "x")
        #expect(try ground.files()["moved/x"] == "a")
    }

    @Test("what is no folder is refused at the start")
    func notFolder() throws {
        let ground = try Ground()
        try "".write(toFile: ground.root + "/file", atomically: false, encoding: .utf8)
        #expect(throws: Errno(ENOTDIR)) { _ = try OutputFolder(ground.root + "/file") }
        #expect(throws: Errno.noSuchFile) { _ = try OutputFolder(ground.root + "/nothing") }
    }
}
