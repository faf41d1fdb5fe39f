// One program as QEMU gets it, with what it must answer: the model runs beside it, so that all lines go out at once.

import Primitives

@testable import Interrupts

struct Conversation {
    struct Line {
        let command: String
        /// What QEMU must give; nil for what gives nothing.
        var value: UInt32?
        /// The processor's inputs afterwards; nil in the middle of several lines that belong together.
        var inputs: ProcessorInputs?
        /// What it is part of, for people.
        let step: String
    }

    private(set) var board: DifferentialBoard
    private(set) var lines: [Line] = []
    private(set) var seen: [Difference: Int] = [:]
    private var number = 0

    init(continuing board: DifferentialBoard) { self.board = board }

    /// Back to the state after reset, by registers.
    mutating func reset() {
        for id in board.raised.sorted() { add(.line(id, false), "reset") }
        board = DifferentialBoard(board.gic.configuration)
        add(.write(.hypervisor, 0x110, 0), "reset")
        writeBack("reset", virtual: true, physical: true)
    }

    /// Makes an access on the model, and adds it with what QEMU does about it.
    mutating func perform(_ access: Access) {
        let step = "access \(number), \(access)"
        number += 1
        let before = QEMUVirtual(block: board.guest.hypervisor)
        let old = board
        var deactivates = false
        let value = board.perform(access, deactivates: &deactivates)
        switch access {
        case .read(let region, let offset, let size) where size < 4 && isWord(region, offset):
            explain(.narrowWord)
            var whole = old
            var full = whole.perform(.read(region, offset), deactivates: &deactivates)
            if region == .distributor, (0x300..<0x400).contains(offset) {
                full |= board.absentActive[Int(offset & 0x7f) / 4]
            }
            add(access, step, value: full & .mask(8 * size))
        case .write(let region, let offset, _, let size) where size < 4 && isWord(region, offset):
            explain(.narrowWord)
            add(access, step)
            writeBack(step, virtual: true, physical: true)
        case .read(.virtual, 0x0c, 4): acknowledge(access, value, before, step)
        case .read(.virtual, 0x18, 4):
            let other = before.highestPending
            if value & 0x3ff != other {
                // Without a row the model's value stands, and fails.
                if let cause = before.cause { explain(cause) }
            } else if value != other {
                explain(.noSourceInHighestPending)
            }
            let isExplained = value & 0x3ff == other || before.cause != nil
            add(access, step, value: isExplained ? other : value)
        case .read(.interface, 0x18, 4):
            if value >> 10 != 0 { explain(.noSourceInHighestPending) }
            add(access, step, value: value & 0x3ff)
        case .read(.virtual, 0x20, 4), .read(.virtual, 0x28, 4):
            explain(.noAliases)
            add(access, step, value: 0)
            writeBack(step, virtual: true)
        case .write(.virtual, 0x24, _, 4):
            explain(.noAliases)
            add(access, step)
            writeBack(step, virtual: true, physical: deactivates)
        case .write(.virtual, 0x1c, let value, 4) where value & 7 < 3:
            explain(.lowAliasedBinaryPoint)
            add(access, step)
            add(.read(.virtual, 0x1c), step, value: max(1, value & 7))
            writeBack(step, virtual: true)
        case .read(.distributor, 0x300..<0x400, 4):
            var other = value
            if case .read(_, let offset, _) = access { other |= board.absentActive[Int(offset & 0x7f) / 4] }
            if other != value { explain(.activeOnAbsentProcessors) }
            add(access, step, value: other)
        case .read(.hypervisor, 0x110, 4):
            if board.fifthList != 0 { explain(.fifthListRegister) }
            add(access, step, value: board.fifthList)
        case .write(.hypervisor, 0x110, let value, 4):
            board.fifthList = ListRegister(rawValue: value).rawValue
            add(access, step)
        case .read: add(access, step, value: value)
        case .write, .line: add(access, step)
        }
        if deactivates {
            explain(.silentDeactivation)
            add(.write(.distributor, 0, board.gic.distributor.control), step)
        }
        lines[lines.count - 1].inputs = expectedInputs()
    }

    private mutating func acknowledge(_ access: Access, _ value: UInt32, _ before: QEMUVirtual, _ step: String) {
        let other = before.acknowledged
        if other == value || before.cause == nil {
            add(access, step, value: value)
        } else {
            explain(before.cause!)
            add(access, step, value: other)
            writeBack(step, virtual: true)
        }
    }

    /// The model's inputs, with those that a row explains as QEMU has them.
    private mutating func expectedInputs() -> ProcessorInputs {
        var inputs = board.inputs
        let other = QEMUVirtual(block: board.guest.hypervisor)
        guard let cause = other.cause, other.outputs != (inputs.levels[2], inputs.levels[3]) else { return inputs }
        guard cause == .disabledGroupCompetes || cause == .wholePriorityPreempts else { return inputs }
        explain(cause)
        (inputs.levels[2], inputs.levels[3]) = other.outputs
        return inputs
    }

    /// Whether a register that takes words only begins here.
    private func isWord(_ region: Region, _ offset: UInt64) -> Bool {
        guard offset % 4 == 0 else { return false }
        return region != .distributor || !(0x400..<0xc00).contains(offset) && !(0xf10..<0xf30).contains(offset)
    }

    private mutating func explain(_ difference: Difference) { seen[difference, default: 0] += 1 }

    private mutating func add(_ access: Access, _ step: String, value: UInt32? = nil) {
        lines.append(Line(command: access.command, value: value, inputs: nil, step: step))
    }

    private mutating func writeBack(_ step: String, virtual: Bool = false, physical: Bool = false) {
        let step = step + ", written back"
        if virtual { for access in board.virtualState { add(access, step) } }
        guard physical else { return }
        for access in board.physicalState { add(access, step) }
        let distributor = board.gic.distributor
        for word in 1..<9 { board.absentActive[word] = distributor.active[distributor.row(word, 0)] }
    }

    /// The first answer that is not as expected.
    func compare(_ answers: [QTest.Answer], _ inputs: inout ProcessorInputs) -> String? {
        for (line, answer) in zip(lines, answers) {
            for change in answer.changes where inputs.levels.indices.contains(change.wire) {
                inputs.levels[change.wire] = change.level
            }
            if let value = line.value, value != answer.value {
                return "\(line.step): QEMU gives \(hexadecimal(answer.value)), not \(hexadecimal(value))"
            }
            if let wanted = line.inputs, wanted != inputs {
                return "\(line.step): QEMU asserts \(inputs), not \(wanted)"
            }
        }
        return nil
    }
}
