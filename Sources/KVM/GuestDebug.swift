/// What KVM_SET_GUEST_DEBUG arms: stepping, software breakpoints and the debug registers.
package struct GuestDebug: Equatable, Sendable {
    /// Come back after one instruction.
    package var singleStep = false
    /// INT3 exits, as a breakpoint of the debugger.
    package var softwareBreakpoints = false
    /// Hold interrupts off while this is set (KVM_GUESTDBG_BLOCKIRQ, Linux 5.15).
    package var blockInterrupts = false
    /// x86 debug registers: addresses of slots 0 to 3.
    package var addresses: [UInt64] = [0, 0, 0, 0]
    /// x86 DR7: which slots are on and what they match (Intel SDM volume 3, section 18.2.4). 0 is all off.
    package var control: UInt64 = 0
    /// arm64 DBGBCR and DBGBVR, and DBGWCR and DBGWVR, from number 0 on; the others are off.
    package var breakpoints: [Slot] = []
    package var watchpoints: [Slot] = []

    /// An arm64 breakpoint or watchpoint register pair (Arm ARM, section D19.3).
    package struct Slot: Equatable, Sendable {
        package let control: UInt64
        package let value: UInt64

        package init(control: UInt64, value: UInt64) {
            self.control = control
            self.value = value
        }
    }

    package init() {}

    package var isOff: Bool {
        !singleStep && !softwareBreakpoints && !blockInterrupts && control == 0 && breakpoints.isEmpty
            && watchpoints.isEmpty
    }
}
