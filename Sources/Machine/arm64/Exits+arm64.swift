import Architecture
import Debugger
import Devices
import Host
import KVM
import Primitives

// From an arm64 guest's exit to what it means.
extension Processor {
    /// KVM_SYSTEM_EVENT_*.
    private enum SystemEvent {
        static let shutdown: UInt32 = 1
        static let reset: UInt32 = 2
    }

    func handleArm(_ exit: Exit) throws(KVMError) -> Outcome {
        followDevices()
        switch exit {
        case .mmioRead(let address, let size):
            let result =
                machine.interruptController.read(address, size: size, by: self)
                ?? machine.armBus { $0.memory.read(at: address, size: size, now: machine.now) }
            vcpu.answerMMIO(result.value)
            return try finish(result, size, at: address, isWrite: false)
        case .mmioWrite(let address, let data, let size):
            var result =
                machine.interruptController.write(data, address, size: size, by: self)
                ?? machine.armBus { $0.memory.write(data, at: address, size: size, now: machine.now) }
            result.value = data
            return try finish(result, size, at: address, isWrite: true)
        case .debug(let event): return try classifyArm(event)
        case .interrupted: return try interrupted()
        case .systemEvent(SystemEvent.shutdown): return .stop(StopEvent(.ended(.poweredOff), on: index))
        case .systemEvent(SystemEvent.reset):
            return .stop(StopEvent(.reset, on: index, explanation: "vCPU \(index) asked for a reset"))
        case .systemEvent: return .stop(failure(exit))
        case .undecodedAccess(let address, _):
            try fetchRegisters()
            // As an access that nothing answers: the guest gets an external abort.
            try vcpu.abortAccess()
            diagnose(
                .undecodedAccess,
                "vCPU \(index) accessed \(address) at \(programCounter) by an instruction that KVM does not describe: aborted"
            )
            return .goOn
        case .io, .halt, .shutdown, .interruptWindowOpen, .endOfInterrupt, .registerRead, .registerWrite,
            .taskPriorityLowered, .taskPriorityAccess, .hypercall, .busLock, .notify(isContextLost: false):
            return .stop(failure("KVM came back for a reason that arm64 does not have: \(exit)"))
        case .internalError, .failEntry, .notify, .exception, .hyperV, .xen, .trustDomain, .resetHold,
            .certificateRequest, .dirtyRingFull, .memoryFault, .externalAbort, .hardwareUnknown, .unknown:
            return .stop(failure(exit))
        }
    }

    private func finish(
        _ access: Access, _ size: Int, at address: PhysicalAddress, isWrite: Bool
    ) throws(KVMError) -> Outcome {
        let outcome = caught(access, size, at: address, isWrite: isWrite, try apply(access))
        // The guest must stand behind the instruction, not inside it.
        if case .stop = outcome { _ = try complete() }
        return outcome
    }

    private func classifyArm(_ event: Exit.DebugExit) throws(KVMError) -> Outcome {
        try fetchRegisters()
        let place = programCounter
        switch Arm64Syndrome(event.code).exceptionClass {
        case .breakpointInstruction:
            if let outcome = reachedPlanted(at: place) { return outcome }
            return try deliverOwnBreakpoint(event.code)
        case .breakpointLower, .breakpointSame:
            if stepping.exclusiveRun?.ends.contains(place) == true { return .stop(StopEvent(.stepped, on: index)) }
            return try reachedVector(place) ?? .stop(StopEvent(.breakpoint(place), on: index))
        case .watchpointLower, .watchpointSame: return watched(VirtualAddress(event.status), at: place)
        case .stepLower, .stepSame: return .stop(StopEvent(.stepped, on: index))
        default: return .stop(failure("KVM reports a debug event: \(Arm64Syndrome(event.code))"))
        }
    }

    /// The stop for an access that a watchpoint register saw; the instruction is still to be executed.
    private func watched(_ fault: VirtualAddress, at place: VirtualAddress) -> Outcome {
        let watch = machine.arm64.debugRegisters.watch(at: fault)
        let watchpoint = machine.arrangement.watchpoints.first {
            $0.contains(fault) || watch.map($0.meets) == true
        }
        guard let watchpoint else { return .stop(failure("a watchpoint that was not set was hit at \(fault)")) }
        counts.hits.watchpoints[watchpoint, default: 0] += 1
        arm64.watchpointStop = place
        let address = watchpoint.contains(fault) ? fault : watchpoint.address
        return .stop(StopEvent(.watchpoint(watchpoint.access, address), on: index))
    }

    /// The guest's own BRK: while KVM_SET_GUEST_DEBUG is on, the kernel takes it from the guest. It is taken to EL1 as
    /// the processor would have (Arm ARM, AArch64.TakeException).
    private func deliverOwnBreakpoint(_ syndrome: UInt64) throws(KVMError) -> Outcome {
        fetch([.general, .system, .control])
        Arm64.takeException(&registers, Arm64Syndrome(syndrome))
        try setArm([.general, .control], of: registers)
        registers.changed = []
        noteReplacement()
        // A step over it ends in the handler.
        if debugControl.armed.singleStep { return .stop(StopEvent(.stepped, on: index)) }
        return .goOn
    }
}

extension Arrangement.Watchpoint {
    /// Whether a register watches some of it.
    func meets(_ watch: Arm64DebugRegisters.Watch) -> Bool {
        let (start, end) = (watch.address.rawValue, watch.address.rawValue &+ watch.count)
        return start < address.rawValue &+ UInt64(count) && address.rawValue < end
    }
}
