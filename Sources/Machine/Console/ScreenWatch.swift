import Devices
import Host
import Primitives
import Synchronization

/// Shows the text screen on the console as it changes. It looks five times a second, on a thread of its own.
final class ScreenWatch: Sendable {
    private static let milliseconds = 200

    private let isOver = Condition(false)
    private let transcript = Mutex(ScreenTranscript())

    /// The thread's body.
    func live(_ machine: VirtualMachine) {
        while isOver.wait(milliseconds: Self.milliseconds, until: { $0 ? true : nil }) == nil { show(machine) }
    }

    /// Ends the thread, and shows what there is at the end.
    func finish(_ machine: VirtualMachine) {
        isOver.update { $0 = true }
        show(machine, isLast: true)
    }

    private func show(_ machine: VirtualMachine, isLast: Bool = false) {
        transcript.withLock { transcript in
            guard let screen = machine.screen else { return }
            for line in transcript.advance(to: screen, isLast: isLast) {
                for byte in Array(line.utf8) + [0x0a] { machine.console.put(byte) }
            }
        }
    }
}

extension VirtualMachine {
    /// What a PC's text screen shows; nil where it begins outside of memory. From any thread: a guest that runs may be
    /// writing to it.
    var pcScreen: ScreenText? {
        let display = bus { $0.screen }
        var memory: [UInt8] = []
        let start = PCBoard.textMemory + display.start * 2
        return guestMemory.append(ScreenText.size, from: start, to: &memory) ? ScreenText(memory, display) : nil
    }
}
