import CLinux
import Host
import Primitives
import Testing

@testable import KVM

/// Every exit that api.rst names for x86 and arm64, by run pages made up here: no host gives them all.
@Suite struct ExitTests {
    /// A run page with this exit reason and these words of payload.
    private func exit(_ reason: UInt32, _ words: [UInt64] = []) throws -> Exit {
        let mapping = try Mapping(anonymous: 4096)
        let page = RunPage(mapping)
        // SAFETY: the page is as long as the structure, and its payload holds 32 words.
        page.page.pointee.exit_reason = reason
        for (i, word) in words.enumerated() {
            mapping.start.storeBytes(of: word, toByteOffset: RunPage.payload + i * 8, as: UInt64.self)
        }
        return page.exit
    }

    /// The numbers of Linux's include/uapi/linux/kvm.h but those of other architectures.
    private static let reasons: [UInt32] =
        Array(0...12) + [17, 24, 26, 27, 28, 29, 30, 31, 32, 33, 34, 37, 39, 40, 41, 42, 43]

    @Test("each exit has a case and a name for info exits", arguments: reasons)
    func caseAndName(reason: UInt32) throws {
        let found = try exit(reason)
        if case .unknown = found { Issue.record("\(reason) has no case") }
        #expect(ExitReason.names[reason] != nil && !ExitReason.name(reason).contains("reason"))
    }

    @Test("the names are all different, and a number that nobody knows keeps its number")
    func names() throws {
        #expect(Set(ExitReason.names.values).count == ExitReason.names.count)
        #expect(Set(Self.reasons) == Set(ExitReason.names.keys))
        #expect(try exit(99) == .unknown(reason: 99) && ExitReason.name(99) == "reason 99")
    }

    @Test("what an exit carries is read")
    func payloads() throws {
        #expect(try exit(0, [0x1234]) == .hardwareUnknown(reason: 0x1234))
        #expect(try exit(1, [0x0000_0004_0000_000e]) == .exception(vector: 14, errorCode: 4))
        #expect(try exit(3, [9]) == .hypercall(number: 9))
        #expect(try exit(11) == .taskPriorityLowered)
        #expect(
            try exit(12, [0xfff0, 1]) == .taskPriorityAccess(programCounter: VirtualAddress(0xfff0), isWrite: true))
        #expect(try exit(24, [3]) == .systemEvent(3))
        #expect(try exit(27, [2]) == .hyperV(type: 2))
        #expect(try exit(28, [5, 0x9000]) == .undecodedAccess(address: PhysicalAddress(0x9000), syndrome: 5))
        #expect(try exit(42, [6, 0xa000]) == .undecodedAccess(address: PhysicalAddress(0xa000), syndrome: 6))
        #expect(try exit(34, [1]) == .xen(type: 1))
        #expect(try exit(37, [1]) == .notify(isContextLost: true))
        #expect(try exit(37, [0]) == .notify(isContextLost: false))
        #expect(
            try exit(39, [8, 0x5000, 0x1000])
                == .memoryFault(address: PhysicalAddress(0x5000), size: 0x1000, isPrivate: true))
        #expect(try exit(40, [0, 0x10003]) == .trustDomain(number: 0x10003))
        #expect(
            try exit(41, [0, 0x9600_0010, 0, 0x7000])
                == .externalAbort(syndrome: 0x9600_0010, address: PhysicalAddress(0x7000)))
    }

    @Test(
        "an MSR that the filter holds back is distinguished from one that KVM refuses",
        arguments: [1, 2, 4] as [UInt64])
    func registerReasons(reason: UInt64) throws {
        // error and padding, reason and index, data.
        let words = [0, reason | 0x1b << 32, 77] as [UInt64]
        #expect(try exit(29, words) == .registerRead(index: 0x1b, isRefused: reason != 4))
        #expect(try exit(30, words) == .registerWrite(index: 0x1b, value: 77, isRefused: reason != 4))
    }

    @Test("exits after which the guest goes on have no failure, the others say in words what happened")
    func failures() throws {
        let goesOn: Set<UInt32> = [2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 26, 29, 30, 33, 37]
        for reason in Self.reasons {
            let text = try exit(reason).failure
            #expect((text == nil) == goesOn.contains(reason), "\(reason): \(text ?? "")")
            if let text { #expect(text.count > 20 && !text.contains("reason \(reason)"), "\(text)") }
        }
        #expect(try exit(37, [1]).failure == "the guest held the processor, and its state is lost")
        #expect(try exit(99).failure?.contains("reason 99") == true)
    }

    @Test("suberrors, system events and refused entries have names", arguments: 1...7)
    func namesOfDetails(number: UInt64) throws {
        if number <= 4 { #expect(try !exit(17, [number]).failure!.contains("\(number)")) }
        #expect(try !exit(24, [number]).failure!.contains("\(number)"))
        #expect(try exit(9, [0x8000_0021]).failure!.contains("invalid guest state"))
        #expect(try exit(9, [7]).failure!.contains("invalid control fields"))
    }
}
