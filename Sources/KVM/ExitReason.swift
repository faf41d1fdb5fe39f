// The numbers of KVM's exits and what they carry, in words (Documentation/virt/kvm/api.rst, section 5, and the manuals
// that it names).

import Primitives

/// The exit reasons as one table: the number in KVM's interface and the name people read in `monitor info exits`. Those of
/// other architectures are left out.
package enum ExitReason {
    package static let names: [UInt32: String] = [
        0: "unknown", 1: "exception", 2: "io", 3: "hypercall", 4: "debug", 5: "hlt", 6: "mmio", 7: "irq window open",
        8: "shutdown", 9: "fail entry", 10: "interrupted", 11: "set tpr", 12: "tpr access", 17: "internal error",
        24: "system event", 26: "ioapic eoi", 27: "hyperv", 28: "arm nisv", 29: "msr read", 30: "msr write",
        31: "dirty ring full", 32: "ap reset hold", 33: "bus lock", 34: "xen", 37: "notify", 39: "memory fault",
        40: "tdx",
        41: "arm sea", 42: "arm ldst64b", 43: "snp req certs",
    ]

    package static func name(_ reason: UInt32) -> String { names[reason] ?? "reason \(reason)" }
}

extension Exit {
    /// Why the guest cannot go on after this exit, in words; nil for those that are answered, or that the machine has more
    /// to say about.
    package var failure: String? {
        switch self {
        case .io, .mmioRead, .mmioWrite, .debug, .halt, .shutdown, .interrupted, .interruptWindowOpen, .endOfInterrupt,
            .registerRead, .registerWrite, .hypercall, .taskPriorityLowered, .taskPriorityAccess, .busLock,
            .notify(isContextLost: false):
            nil
        case .undecodedAccess(let address, _): "KVM reports an access to \(address) that it did not decode"
        case .failEntry(let reason): "the processor refused to enter the guest: \(Self.text(ofEntryFailure: reason))"
        case .internalError(let error, let data):
            "KVM gave up: \(error)"
                + (data.isEmpty ? "" : ", data \(data.map { hexadecimal($0) }.joined(separator: " "))")
        case .systemEvent(let type): "KVM reports a system event: \(Self.text(ofSystemEvent: type))"
        case .hardwareUnknown(let reason):
            "KVM does not know why the processor left the guest, the processor's reason is \(hexadecimal(reason))"
        case .exception(let vector, let code):
            "KVM reports exception \(vector) with error code \(hexadecimal(code))"
        case .hyperV(let type):
            "KVM reports \(Self.hyperVTypes[type] ?? "a Hyper-V request"), which is not offered here"
        case .dirtyRingFull: "KVM's ring of written pages is full, and none is used here"
        case .resetHold: "an encrypted guest waits for its start-up message, and none is offered here"
        case .xen(let type): "KVM reports \(type == 1 ? "a Xen hypercall" : "a Xen request"), which is not offered here"
        case .notify(isContextLost: true): "the guest held the processor, and its state is lost"
        case .memoryFault(let address, let size, let isPrivate):
            "KVM cannot give the guest \(isPrivate ? "private" : "shared") memory at \(address), \(hexadecimal(size)) bytes"
        case .trustDomain(let number): "KVM reports TDX request \(hexadecimal(number)), which is not offered here"
        case .externalAbort(let syndrome, let address):
            "the guest met a memory error of the host's at \(address), syndrome \(hexadecimal(syndrome))"
        case .certificateRequest: "an encrypted guest asks for its certificates, and none are here"
        case .unknown(let reason): "KVM came back for \(ExitReason.name(reason)), which this program does not know"
        }
    }

    /// KVM_SYSTEM_EVENT_*.
    private static func text(ofSystemEvent type: UInt32) -> String {
        switch type {
        case 1: "the guest powers the machine off"
        case 2: "the guest asks for a reset"
        case 3: "the guest says that it has crashed"
        case 4: "the guest is to be woken"
        case 5: "the guest asks to be suspended"
        case 6: "an encrypted guest ends itself (SEV)"
        case 7: "a trust domain has failed (TDX)"
        default: "one of the unknown type \(type)"
        }
    }

    /// Intel SDM volume 3, appendix C and section 31.4 "VM Instruction Error Numbers"; AMD APM volume 2, VMEXIT_INVALID.
    private static func text(ofEntryFailure reason: UInt64) -> String {
        let words: String? =
            switch reason {
            case 7: "invalid control fields"
            case 8: "invalid host state"
            case 0x8000_0021: "invalid guest state"
            case 0x8000_0022: "a model-specific register could not be loaded"
            case 0x8000_0029: "a machine check during the entry"
            case 0xffff_ffff_ffff_ffff, 0xffff_ffff: "invalid guest state (VMEXIT_INVALID)"
            default: nil
            }
        return "\(words.map { "\($0), " } ?? "")hardware reason \(hexadecimal(reason))"
    }

    /// KVM_EXIT_HYPERV_*.
    private static let hyperVTypes: [UInt32: String] = [
        1: "a change of Hyper-V's interrupt controller", 2: "a Hyper-V hypercall", 3: "a Hyper-V debugger request",
    ]
}
