import Host
import Primitives

/// A raw protocol client that sends one packet and spins for its reply: what is measured is the server.
struct Client {
    private let socket: Socket
    private let name: String
    private var input: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 1 << 17)
    private var output: [UInt8] = []

    /// Connects, waiting a few seconds for the server to be there.
    init(_ endpoint: Endpoint, of name: String) throws(BenchError) {
        self.name = name
        let deadline = Clock.monotonic + 10_000_000_000
        while true {
            if let socket = try? Socket.connect(to: endpoint) {
                self.socket = socket
                return
            }
            guard Clock.monotonic < deadline else { throw BenchError(message: "\(name) did not come up") }
            _ = waitForInput([], milliseconds: 10)
        }
    }

    /// Agrees on working without acknowledgements.
    mutating func greet() throws(BenchError) {
        _ = try ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+")
        _ = try ask("QStartNoAckMode")
        _ = try ask("?")
    }

    /// Sends a packet; the next packet's payload.
    mutating func ask(_ packet: String) throws(BenchError) -> ArraySlice<UInt8> {
        output.removeAll(keepingCapacity: true)
        output.append(UInt8(ascii: "$"))
        output.append(contentsOf: packet.utf8)
        var checksum: UInt8 = 0
        for byte in packet.utf8 { checksum &+= byte }
        output.append(UInt8(ascii: "#"))
        output.appendHex(CollectionOfOne(checksum))
        do throws(Errno) { try socket.send(output[...]) } catch {
            throw BenchError(message: "\(name) hung up: \(error)")
        }
        return try reply()
    }

    private mutating func reply() throws(BenchError) -> ArraySlice<UInt8> {
        input.removeAll(keepingCapacity: true)
        let deadline = Clock.monotonic + 60_000_000_000
        while true {
            if let end = input.lastIndex(of: UInt8(ascii: "#")), end + 2 < input.count,
                let start = input.firstIndex(of: UInt8(ascii: "$"))
            {
                return input[start + 1..<end]
            }
            let got: Int?
            do throws(Errno) { got = try socket.receive(into: &chunk) } catch {
                throw BenchError(message: "\(name) hung up: \(error)")
            }
            if let got {
                guard got > 0 else { throw BenchError(message: "\(name) hung up") }
                input.append(contentsOf: chunk[..<got])
            } else if Clock.monotonic > deadline {
                throw BenchError(message: "\(name) does not answer")
            }
        }
    }
}
