import Testing

extension Live {
    @Suite("the guest's clock") struct GuestClock {
        /// Watchdogs of a guest with KVM's clock start anew after a stop: bit 1 of the flags in its page says that there was one.
        @Test("a stop is marked in the guest's kvm-clock page", .needs(.kvm))
        func marked() throws {
            // MOV ECX, MSR_KVM_SYSTEM_TIME_NEW; MOV EAX, 0x200001; XOR EDX, EDX; WRMSR; then INC RBX forever.
            let code: [UInt8] = [
                0xb9, 0x01, 0x4d, 0x56, 0x4b, 0xb8, 0x01, 0x00, 0x20, 0x00, 0x31, 0xd2, 0x0f, 0x30, 0x48, 0xff, 0xc3,
                0xeb, 0xfb,
            ]
            let guest = try Stubvisor(flat: code, mode: "long").attach()
            #expect(try guest.insert(1, at: 0x10_000e) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.resume().kind == "T05")
            let page = try guest.memory(at: 0x20_0000, count: 32)
            #expect(page.contains { $0 != 0 }, "the host gives the guest a clock")
            #expect(page[29] & 2 != 0, "\(page)")
        }
    }
}
