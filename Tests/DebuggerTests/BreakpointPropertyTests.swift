import Architecture
import Primitives
import TestSupport
import Testing

@testable import Debugger

/// Whatever a client does with breakpoints, its memory looks as if there were none.
@Suite("Breakpoints are never seen")
struct BreakpointPropertyTests {
    private static let size = 0x4000

    /// A client and the memory that it ought to see.
    private struct Model {
        let client: Conversation
        var memory: [UInt8]
        let step: Int
        var random: Seeded
        var inserted: Set<Int> = []

        /// Virtual pages 0x1_0000 and 0x2_0000 on are the same memory.
        private static let bases = [0x1_0000, 0x2_0000]

        init(breakpoint: [UInt8], seed: UInt64) {
            random = Seeded(seed)
            memory = random.bytes(BreakpointPropertyTests.size)
            step = breakpoint.count
            let target = SimulatedTarget(memory: memory, breakpoint: breakpoint)
            var pages: [UInt64: UInt64] = [:]
            for page in stride(from: 0, to: BreakpointPropertyTests.size, by: 0x1000) {
                for base in Self.bases { pages[UInt64(base + page)] = UInt64(page) }
            }
            target.pages = pages
            client = Conversation(target)
        }

        private mutating func place() -> Int { Int.random(in: 0..<BreakpointPropertyTests.size, using: &random) }

        private mutating func address(_ place: Int) -> String {
            String(Self.bases.randomElement(using: &random)! + place, radix: 16)
        }

        mutating func toggle() {
            // Few places, so that many have two breakpoints.
            let place = place() / 0x100 * 0x100 + 8
            let address = Self.bases.randomElement(using: &random)! + place
            let letter = inserted.remove(address) != nil ? "z" : "Z"
            if letter == "Z" { inserted.insert(address) }
            #expect(client.ask("\(letter)0,\(String(address, radix: 16)),\(step)") == "OK")
        }

        mutating func write() {
            let place = random.chance(50) ? place() : max(0, place() / 0x100 * 0x100 - 4)
            let data = random.bytes(Int.random(in: 0...min(40, memory.count - place), using: &random))
            memory.replaceSubrange(place..<place + data.count, with: data)
            let packet = "M\(address(place)),\(String(data.count, radix: 16)):\(hex(data))"
            #expect(client.ask(packet) == "OK")
        }

        mutating func read() {
            let place = place()
            let count = Int.random(in: 1...min(0x1800, memory.count - place), using: &random)
            let reply = client.ask("m\(address(place)),\(String(count, radix: 16))")
            let isTheSame = reply == hex(memory[place..<place + count])
            #expect(isTheSame, "\(count) bytes at \(place)")
        }

        /// The guest stores over some bytes while it runs; the next resume plants again.
        mutating func run() {
            let place = place() / 0x100 * 0x100 + 8
            let data = random.bytes(step)
            memory.replaceSubrange(place..<place + step, with: data)
            client.target.ram.bytes.replaceSubrange(place..<place + step, with: data)
            _ = client.replies("vCont;c")
            _ = client.stop(StopEvent(.interrupted, on: 0))
        }
    }

    @Test(
        "random breakpoints, reads and writes on memory with two addresses each",
        arguments: [[0xcc], [0x00, 0x00, 0x20, 0xd4]] as [[UInt8]], 1...6 as ClosedRange<UInt64>)
    func anyOrder(instruction: [UInt8], seed: UInt64) {
        var model = Model(breakpoint: instruction, seed: seed)
        for _ in 0..<150 {
            switch Int.random(in: 0..<10, using: &model.random) {
            case 0...3: model.toggle()
            case 4...6: model.write()
            case 7: model.run()
            default: model.read()
            }
        }
        let planted = Set(model.inserted.map { $0 & 0xffff })
        for place in planted {
            #expect(Array(model.client.target.ram.bytes[place..<place + instruction.count]) == instruction)
        }
        #expect(model.client.target.armed.planted.count == model.inserted.count)
        model.client.session.close()
        let isTheSame = model.client.target.ram.bytes == model.memory
        #expect(isTheSame)
    }
}
