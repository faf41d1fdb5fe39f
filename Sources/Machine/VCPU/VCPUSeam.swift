import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

// What a vCPU does in its guest architecture's own way: how is in the folders x86 and arm64, in files of the same name
// (see MachineSeam for the machine). The rest of the sources does not ask which architecture it is.
extension Processor {
    /// Executes the next instruction, and never lands in an interrupt handler unless asked to: nil where the machine stops
    /// before it is done.
    func step() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        return switch machine.architecture {
        case .x86_64: try stepX86()
        case .arm64: try stepArm()
        }
    }

    /// Goes past the instruction of a breakpoint, or of a watchpoint that is reported before the access, into the handler
    /// where it calls one; nil when that is done.
    func pass() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        return switch machine.architecture {
        case .x86_64: try passX86()
        case .arm64: try passArm()
        }
    }

    /// Makes the vCPU ready to run, however long that takes; an outcome where the machine wants something else first.
    func prepareToRun(_ stepping: Stepping) throws(KVMError) -> Outcome? {
        if machine.shared.hasDeviceWork.load(ordering: .relaxed) { try machine.serveDevices(by: self) }
        return switch machine.architecture {
        case .x86_64: try makeReadyX86(stepping)
        case .arm64: try makeReadyArm()
        }
    }

    /// Follows the guest to where it has put its handlers, for what is caught there: before each entry.
    func watchHandlers(_ stepping: Stepping = .run) throws(KVMError) {
        switch machine.architecture {
        case .x86_64: try watchInterruptTable(stepping)
        case .arm64: try watchVectors()
        }
    }

    /// What KVM is to arm of breakpoints, watchpoints and steps.
    func guestDebug(_ stepping: Stepping) -> GuestDebug {
        switch machine.architecture {
        case .x86_64: x86GuestDebug(stepping)
        case .arm64: armGuestDebug(stepping)
        }
    }

    /// The stop for a vCPU that takes exceptions forever, where that does not exit by itself.
    func exceptionLoop() throws(KVMError) -> StopEvent? {
        switch machine.architecture {
        case .x86_64: nil
        case .arm64: try armExceptionLoop()
        }
    }

    /// At its stop: what others may change about it while it is stopped.
    func noteActivity() {
        switch machine.architecture {
        case .x86_64: break
        case .arm64: noteArmActivity()
        }
    }

    /// Does what an exit asks for, and says how to continue.
    func handle(_ exit: Exit) throws(KVMError) -> Outcome {
        switch machine.architecture {
        case .x86_64: try handleX86(exit)
        case .arm64: try handleArm(exit)
        }
    }

    /// Whether the vCPU runs, sleeps or is off.
    func activity() throws(KVMError) -> VCPU.Activity {
        switch machine.architecture {
        case .x86_64: try machine.interruptController.activity(of: self)
        case .arm64: try vcpu.activity()
        }
    }

    /// The stop for `monitor catch hlt`, after the vCPU was called out of the guest.
    func caughtHalt() throws(KVMError) -> StopEvent? {
        guard machine.catchesHalts else { return nil }
        return switch machine.architecture {
        case .x86_64: try caughtHaltX86()
        case .arm64: try caughtHaltArm()
        }
    }

    /// Where the HLT or WFI is that the vCPU is behind.
    var haltAddress: VirtualAddress {
        switch machine.architecture {
        case .x86_64: programCounter + -X86Instruction.halt.length
        case .arm64: programCounter + -Arm64Instruction.length
        }
    }

    /// Whether the guest meets `event` again by itself. arm64: a caught interrupt is met at the first instruction of its
    /// handler, if it is still to be caught.
    func recurs(_ event: StopEvent) -> Bool {
        switch machine.architecture {
        case .x86_64: false
        case .arm64: event.cause == .caught && isHandler(programCounter)
        }
    }

    /// What the interrupt controllers do not know of the vCPU.
    var facts: ProcessorFacts {
        var facts = ProcessorFacts()
        facts.place = "pc=\(programCounter)"
        facts.interruptsEnabled = machine.architecture.takesInterrupts(registers)
        switch machine.architecture {
        case .x86_64: facts.isHalted = (try? activity()) == .halted
        case .arm64:
            facts.isArm = true
            facts.fastInterruptsEnabled = !Arm64.state(registers).masksFIQ
        }
        return facts
    }

    // MARK: - Registers: fetched block by block when asked for, stored when changed (see VCPU/Registers.swift)

    /// Makes `blocks` present, but for what KVM refuses to give: that is missing in `registers`, and asked for again.
    func fetch(_ blocks: RegisterBlocks) {
        let missing = blocks.subtracting(registers.present)
        guard !missing.isEmpty else { return }
        registers.forgetMissing(missing)
        for block in missing.each {
            do throws(KVMError) {
                switch machine.architecture {
                case .x86_64: try getX86(block)
                case .arm64: try getArm(block)
                }
                registers.present.formUnion(block)
            } catch {
                registers.noteMissing(block, "\(error)")
            }
        }
    }

    /// General and system registers, without a request where they came with the exit, and once for each exit.
    func fetchRegisters() throws(KVMError) {
        if sync.isCurrent { return }
        registers.changed = RegisterBlocks()
        registers.present = RegisterBlocks()
        registers.forgetMissing(.all)
        do throws(KVMError) {
            switch machine.architecture {
            case .x86_64: try getExitRegistersX86()
            case .arm64: try getArm(.ofEveryExit)
            }
        } catch {
            registers.noteMissing(.ofEveryExit, "\(error)")
            throw error
        }
        registers.present = .ofEveryExit
        sync.isCurrent = true
    }

    /// Gives KVM the general registers that were changed while parked; the others went at once (see `take`).
    func storeChangedRegisters() throws(KVMError) {
        guard !registers.changed.isEmpty else { return }
        switch machine.architecture {
        case .x86_64: try setChangedX86()
        case .arm64: try setArm(registers.changed, of: registers)
        }
        registers.changed = RegisterBlocks()
    }

    /// Gives KVM the `blocks` of `file`, but for x86's model-specific registers.
    func set(_ blocks: RegisterBlocks, of file: RegisterFile, insteadOf old: RegisterFile) throws(KVMError) {
        switch machine.architecture {
        case .x86_64: try setX86(blocks, of: file)
        case .arm64:
            try setArm(blocks, of: file, insteadOf: old)
            let count = Arm64.virtualCount(file)
            if count != Arm64.virtualCount(old) { machine.arm64.keptCount = count }
        }
    }

    /// Why no guest has the registers of `file`.
    func objection(to file: RegisterFile) -> String? {
        switch machine.architecture {
        case .x86_64: X86.objection(to: file, insteadOf: registers)
        case .arm64: Arm64.objection(to: file)
        }
    }
}
