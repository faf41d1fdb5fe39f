import Testing

@testable import Host

/// Tables as proc(5) and the kernel's Documentation/networking/proc_net_tcp.rst have them.
@Suite("whose a connection is") struct TCPTableTests {
    private let server = TCPAddress(host: address(127, 0, 0, 1), port: 1234)
    private let peer = TCPAddress(host: address(127, 0, 0, 1), port: 0xc350)

    private static func address(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32) -> UInt32 {
        (a << 24 | b << 16 | c << 8 | d).bigEndian
    }

    private static let heading =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

    /// A row of the table on a host of either byte order.
    private func row(
        _ local: String, _ remote: String, state: String = "01", user: Int, inode: Int, number: Int = 0
    ) -> String {
        "   \(number): \(local) \(remote) \(state) 00000000:00000000 00:00000000 00000000 \(user)        0 \(inode) 1 "
            + "0000000000000000 20 0 0 10 -1"
    }

    private func table(_ rows: [String]) -> [UInt8] {
        Array(([Self.heading] + rows).joined(separator: "\n").utf8) + [10]
    }

    private let loopback = 1.bigEndian == 1 ? "7F000001" : "0100007F"
    private var mapped: String { "0000000000000000" + (1.bigEndian == 1 ? "0000FFFF" : "FFFF0000") + loopback }

    private func owner(_ rows: [String]) -> UInt32? { TCPTable.owner(of: peer, connectedTo: server, in: table(rows)) }

    @Test("the row of the peer's own end names its user, not that of this end")
    func direction() {
        let rows = [
            row("\(loopback):04D2", "00000000:0000", state: "0A", user: 5, inode: 10),
            row("\(loopback):04D2", "\(loopback):C350", user: 5, inode: 11, number: 1),
            row("\(loopback):C350", "\(loopback):04D2", user: 65534, inode: 12, number: 2),
        ]
        #expect(owner(rows) == 65534)
        #expect(owner(Array(rows.prefix(2))) == nil)
    }

    @Test("an IPv6 socket that speaks IPv4 is found in the other table")
    func mappedAddress() {
        #expect(owner([row("\(mapped):C350", "\(mapped):04D2", user: 1000, inode: 9)]) == 1000)
    }

    @Test(
        "a socket that its process has closed is nobody's, although the table says root's",
        arguments: ["04", "06", "01"])
    func orphan(state: String) {
        #expect(owner([row("\(loopback):C350", "\(loopback):04D2", state: state, user: 0, inode: 0)]) == nil)
    }

    @Test("a half-closed one is still its user's")
    func halfClosed() {
        #expect(owner([row("\(loopback):C350", "\(loopback):04D2", state: "05", user: 7, inode: 8)]) == 7)
    }

    @Test("other ports, other addresses and damaged rows name nobody")
    func others() {
        #expect(owner([row("\(loopback):C351", "\(loopback):04D2", user: 7, inode: 8)]) == nil)
        #expect(owner([row("\(loopback):C350", "\(loopback):04D3", user: 7, inode: 8)]) == nil)
        #expect(owner([row("0200007F:C350", "\(loopback):04D2", user: 7, inode: 8)]) == nil)
        #expect(owner(["0: \(loopback):C350 \(loopback):04D2", "", "rubbish"]) == nil)
        #expect(TCPTable.owner(of: peer, connectedTo: server, in: []) == nil)
    }

    @Test("addresses read as people write them")
    func text() { #expect(peer.text == "127.0.0.1:50000") }
}
