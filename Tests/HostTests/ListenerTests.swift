import Glibc
import Testing

@testable import Host

@Suite("listeners") struct ListenerTests {
    private let loopback = Endpoint.tcp(host: "127.0.0.1", port: 0)

    private func arrival(_ listener: Listener) -> Listener.Arrival? {
        listener.wait()
        return listener.accept()
    }

    private func path(_ name: String) -> String {
        "/tmp/stubvisor-host-tests-\(getpid())-\(name)-\(UInt32.random(in: 0...UInt32.max))"
    }

    @Test("this user's client is taken")
    func own() throws {
        let listener = try Listener(on: loopback)
        let client = try Socket.connect(to: listener.endpoint)
        guard case .client = arrival(listener) else {
            Issue.record("not taken")
            return
        }
        withExtendedLifetime(client) {}
    }

    @Test("so is one whose IPv6 socket speaks IPv4", .enabled(if: access("/proc/net/tcp6", R_OK) == 0, "no IPv6 here"))
    func mapped() throws {
        let listener = try Listener(on: loopback)
        guard case .tcp(_, let port) = listener.endpoint else { throw Errno(EINVAL) }
        let client = try connectMapped(port)
        guard case .client = arrival(listener) else {
            Issue.record("not taken")
            return
        }
        _ = client.number
    }

    /// Connects an AF_INET6 socket to ::ffff:127.0.0.1.
    private func connectMapped(_ port: UInt16) throws -> Descriptor {
        let client = Descriptor(owning: socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr)
        let number = client.number
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
        guard result == 0 else { throw Errno(errno) }
        return client
    }

    @Test("a client that has gone before it was looked at is no one's, and is not taken for root's")
    func gone() throws {
        let listener = try Listener(on: loopback)
        do { try Socket.connect(to: listener.endpoint).send([0x24]) }
        guard case .stranger(_, let who) = arrival(listener) else {
            Issue.record("taken")
            return
        }
        #expect(who.hasPrefix("of an unknown user at 127.0.0.1:"))
    }

    @Test("where no user is known, all are taken")
    func everywhere() throws {
        let listener = try Listener(on: .tcp(host: "0.0.0.0", port: 0))
        guard case .tcp(_, let port) = listener.endpoint else { throw Errno(EINVAL) }
        do { _ = try Socket.connect(to: .tcp(host: "127.0.0.1", port: port)) }
        guard case .client = arrival(listener) else {
            Issue.record("not taken")
            return
        }
    }

    @Test("a unix socket has its lock, which one process has at a time")
    func lock() throws {
        let path = path("lock")
        let first = try Listener(on: .unix(path: path))
        #expect(throws: Errno.busy) { _ = try Listener(on: .unix(path: path)) }
        #expect(first.accept() == nil, "the question was no connection")
        let client = try Socket.connect(to: .unix(path: path))
        guard case .client = arrival(first) else {
            Issue.record("not taken")
            return
        }
        first.remove()
        #expect(access(path, F_OK) != 0 && access(path + ".lock", F_OK) != 0)
        let second = try Listener(on: .unix(path: path))
        // The first one's end does not take away what is the second's now.
        first.remove()
        #expect(access(path, F_OK) == 0 && access(path + ".lock", F_OK) == 0)
        second.remove()
        withExtendedLifetime(client) {}
    }

    @Test("a socket that another program listens on is left alone, and its program sees no one")
    func otherProgram() throws {
        let path = path("other")
        let other = try Socket.listen(on: .unix(path: path))
        defer { unlink(path) }
        #expect(throws: Errno.addressInUse) { _ = try Listener(on: .unix(path: path)) }
        #expect(try other.accept() == nil)
        #expect(try Socket.connect(to: .unix(path: path)).number >= 0)
        #expect(access(path + ".lock", F_OK) != 0)
    }

    @Test("what is no socket stays, and so does what a link leads to")
    func noSocket() throws {
        let path = path("file")
        try Descriptor.write([1], to: path)
        defer { unlink(path) }
        #expect(throws: Errno.exists) { _ = try Listener(on: .unix(path: path)) }
        let link = path + "-link"
        symlink(path, link)
        defer { unlink(link) }
        #expect(throws: Errno.exists) { _ = try Listener(on: .unix(path: link)) }
        symlink(path, link + "2.lock")
        defer { unlink(link + "2.lock") }
        #expect(throws: Errno(ELOOP)) { _ = try Listener(on: .unix(path: link + "2")) }
        #expect(try Descriptor.contents(of: path) == [1])
    }

    @Test("pauses while the host has no descriptor grow to a second, and begin anew")
    func pauses() {
        var shortage = Shortage()
        var now: UInt64 = 1
        #expect(shortage.pause(at: now) == nil)
        var pauses: [UInt64] = []
        for attempt in 0..<7 {
            #expect(shortage.lengthen(at: now) == (attempt == 0))
            let pause = shortage.pause(at: now) ?? 0
            pauses.append(pause / 1_000_000)
            #expect(shortage.pause(at: now + pause - 1) == 1)
            now += pause
            #expect(shortage.pause(at: now) == nil)
        }
        #expect(pauses == [50, 100, 200, 400, 800, 1000, 1000])
    }
}
