import Architecture
import Boot
import Interrupts
import KVM
import Primitives

@testable import Machine

/// A throwaway virtual machine with one vCPU that nothing else knows of.
final class Sandbox {
    let vm: VM
    let vcpu: VCPU
    let memory: GuestMemory
    /// The vCPU's registers as it came.
    let fresh: RegisterFile

    /// What a test says when it cannot run.
    static let whyNot: String? = {
        guard System.architecture == .x86_64 else { return "these are tests of x86 guests" }
        do throws(KVMError) {
            _ = try System()
            return nil
        } catch { return "no usable KVM here: \(error)" }
    }()

    static var isPossible: Bool { whyNot == nil }

    /// Whether this host's KVM carries AVX state.
    static var hasAVX: Bool {
        get throws {
            guard isPossible else { return false }
            return X86.layout(.bits64, X86ExtendedState(try System().supportedProcessor()))[name: "ymm0h"] != nil
        }
    }

    /// With `memory` in one slot, or in none yet; with the kernel's interrupt controllers, its local APICs, or none.
    init(
        _ memory: GuestMemory, inOneSlot: Bool = true, interruptControllers: InterruptControllerKind = .apic
    ) throws {
        let system = try System()
        self.memory = memory
        vm = try system.makeVM()
        try vm.reserveIntelPages(at: X86Board.intelPages)
        switch interruptControllers {
        case .apic, .gicv2, .vgic: break
        case .kernel: try vm.makeInterruptControllers()
        case .split: try vm.makeLocalAPICs(pins: IOAPIC.pins)
        }
        if inOneSlot {
            let start = PhysicalAddress(0)
            try vm.setMemory(slot: 0, guest: start, host: memory.host(start), count: Int(memory.layout.size))
        }
        vcpu = try vm.makeVCPU(0)
        try vcpu.setProcessor(try system.supportedProcessor())
        _ = vcpu.adoptCurrentThread()
        var file = RegisterFile(size: X86.Storage.size)
        for place in Self.blocks { try vcpu.get(place.block, into: &file.storage, at: place.offset) }
        fresh = file
    }

    convenience init(memorySize: UInt64) throws { try self.init(GuestMemory(MachineMemory(size: memorySize))) }

    /// The kernel's structures with their places in a RegisterFile, and how much room each has there.
    static let blocks: [(block: RegisterBlock, offset: Int, room: Int)] = [
        (.general, X86.Storage.general, X86.Storage.system - X86.Storage.general),
        (.system, X86.Storage.system, X86.Storage.floatingPoint - X86.Storage.system),
        (.floatingPoint, X86.Storage.floatingPoint, X86.Storage.debug - X86.Storage.floatingPoint),
        (.debug, X86.Storage.debug, X86.Storage.modelSpecific - X86.Storage.debug),
    ]

    /// Gives the vCPU all of `file` but the model-specific registers.
    func set(_ file: RegisterFile) throws {
        for place in Self.blocks { try vcpu.set(place.block, from: file.storage, at: place.offset) }
    }

    func get() throws -> RegisterFile {
        var file = RegisterFile(size: X86.Storage.size)
        for place in Self.blocks { try vcpu.get(place.block, into: &file.storage, at: place.offset) }
        return file
    }
}

extension RegisterFile {
    subscript(name: String) -> UInt64 {
        get { number(X86.layout64[name: name]!) }
        set { set(X86.layout64[name: name]!, to: newValue) }
    }
}
