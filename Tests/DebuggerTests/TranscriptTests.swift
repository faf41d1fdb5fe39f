import Testing

@testable import Debugger

@Suite("Transcripts")
struct TranscriptTests {
    @Test("every file can be read, and there are some")
    func files() throws {
        #expect(!Transcript.names.isEmpty)
        for name in Transcript.names { _ = try Transcript(reading: name) }
    }

    @Test("a recorded conversation goes as it went", arguments: Transcript.all)
    func replay(_ transcript: Transcript) throws {
        #expect(transcript.lines.count > 20)
        try Replayer(transcript).run()
    }
}
