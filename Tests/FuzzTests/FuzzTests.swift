import Testing

/// Nothing that comes from outside may crash, hang or fill memory (see Fuzzer).
@Suite("fuzzing", .serialized) struct FuzzTests {
    static let entries: [FuzzEntry] = [
        .framer, .command, .agentExpression, .breakpointProgram, .bootImage, .pageWalk, .stage1Walk, .session,
        .virtioQueue,
    ]

    @Test("spoiled inputs are survived", arguments: entries)
    func spoiled(entry: FuzzEntry) throws {
        let fuzzer = Fuzzer(entry: entry)
        if let path = Fuzzer.replayed { try fuzzer.replay(path) } else { fuzzer.run() }
    }

    @Test(
        "registers set at random end no stop, report or command",
        .enabled(if: FuzzEntry.whyNoRegisters == nil, Comment(rawValue: FuzzEntry.whyNoRegisters ?? "")))
    func registers() throws { try spoiled(entry: .registers) }

    @Test("the inputs that are spoiled are good ones", arguments: entries)
    func seeds(entry: FuzzEntry) {
        for seed in entry.seeds {
            let flaw = entry.run(seed)
            #expect(flaw == nil, "\(seed)")
        }
    }

    @Test("what was found once is survived", arguments: Find.all)
    func finds(find: Find) throws {
        let entry = try #require(Self.entries.first { $0.name == find.entry })
        let flaw = entry.run(find.input)
        #expect(flaw == nil)
    }
}
