import Host

// From the terminal or socket to the guest.
extension Console {
    /// Hands waiting input to `take` byte by byte until it says that there is no more room.
    func drainInput(_ take: (UInt8) -> Bool) {
        guard hasInput.load(ordering: .acquiring) else { return }
        input.update { bytes in
            let taken = bytes.prefix(while: take).count
            bytes.removeFirst(taken)
            hasInput.store(!bytes.isEmpty, ordering: .releasing)
        }
    }

    /// One portion at a time, so that input waits where it comes from.
    private func offer(_ bytes: [UInt8], _ arrived: () -> Void) {
        input.wait { waiting -> Void? in
            guard waiting.isEmpty else { return nil }
            waiting = bytes
            hasInput.store(true, ordering: .releasing)
            return ()
        }
        arrived()
    }

    /// Keys are not kept back, so that the escape key always works: what the guest does not take, beyond this many, is
    /// lost.
    private static let mostKeys = 4096

    private func offerKeys(_ bytes: [UInt8], _ arrived: () -> Void) {
        input.look { waiting in
            waiting += bytes.prefix(max(0, Self.mostKeys - waiting.count))
            hasInput.store(!waiting.isEmpty, ordering: .releasing)
        }
        arrived()
    }

    func takeStandardInput(_ arrived: () -> Void) {
        do throws(Errno) {
            while true {
                let bytes = try readInput()
                if bytes.isEmpty { return }
                offer(bytes, arrived)
            }
        } catch {
            diagnose("the console's input has ended: \(error)")
        }
    }

    /// The terminal's keys, while this process is in its foreground; the terminal is raw then.
    func takeKeys(_ arrived: () -> Void, _ quit: () -> Void) {
        var keys = EscapeKey()
        while true {
            // A job that a shell brings to the foreground is not always signalled.
            let isOurs = Terminal.claim()
            guard waitForInput(isOurs ? [0] : [], milliseconds: 200), Terminal.claim() else { continue }
            var bytes: [UInt8] = []
            do throws(Errno) {
                let typed = try readInput()
                if typed.isEmpty { return }
                for key in typed {
                    switch keys.take(key) {
                    case .send(let byte): bytes.append(byte)
                    case .nothing: break
                    case .help: diagnose(EscapeKey.help)
                    case .quit: quit()
                    }
                }
            } catch {
                // Put into the background just now, or the terminal has gone.
                if Terminal.isForeground || !Terminal.isThere { return }
            }
            if !bytes.isEmpty { offerKeys(bytes, arrived) }
        }
    }

    func serveClients(_ arrived: () -> Void) {
        guard let listener, let client else { return }
        while true {
            listener.wait()
            guard case .client(let socket) = listener.accept() else { continue }
            client.set(socket)
            var buffer = [UInt8](repeating: 0, count: 4096)
            while waitForInput([socket.number]), let got = try? socket.receive(into: &buffer) ?? -1, got != 0 {
                if got > 0 { offer(Array(buffer.prefix(got)), arrived) }
            }
            client.set(nil)
        }
    }
}
