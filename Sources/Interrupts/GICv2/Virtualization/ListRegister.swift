// GICH_LRn: Arm IHI 0048B, section 5.3. One virtual interrupt as the virtual CPU interface holds it.

import Primitives

/// A list register: one word with its fields by name. Bits 22 to 20 do not exist.
package struct ListRegister: Hashable, Sendable {
    /// Bits 29 and 28.
    package enum State: UInt32, CaseIterable, Sendable {
        case invalid, pending, active, pendingAndActive
    }

    package private(set) var rawValue: UInt32

    package init(rawValue: UInt32 = 0) { self.rawValue = rawValue & 0xff8f_ffff }

    /// An interrupt that software keeps. `source` is the requesting vCPU, for an SGI.
    package init(
        _ virtualID: Int, priority: UInt8, state: State, isGroup1: Bool = false, source: Int = 0
    ) {
        rawValue = 0
        self.virtualID = virtualID
        self.priority = priority
        self.state = state
        self.isGroup1 = isGroup1
        self.source = source
    }

    package var virtualID: Int {
        get { Int(rawValue[bits: 0...9]) }
        set { rawValue[bits: 0...9] = UInt32(newValue) }
    }

    /// The interrupt that the guest's end of this one deactivates in the Distributor, where `isHardware`.
    package var physicalID: Int {
        get { Int(rawValue[bits: 10...19]) }
        set { rawValue[bits: 10...19] = UInt32(newValue) }
    }

    /// The vCPU that requested an SGI, where not `isHardware`.
    package var source: Int {
        get { Int(rawValue[bits: 10...12]) }
        set { rawValue[bits: 10...12] = UInt32(newValue) }
    }

    /// Where not `isHardware`: the end of this interrupt asserts a maintenance interrupt.
    package var requestsMaintenance: Bool {
        get { !isHardware && rawValue[bit: 19] }
        set { rawValue[bit: 19] = newValue }
    }

    /// As in GICD_IPRIORITYR: the upper five bits of eight, the others 0.
    package var priority: UInt8 {
        get { UInt8(rawValue[bits: 23...27] << 3) }
        set { rawValue[bits: 23...27] = UInt32(newValue >> 3) }
    }

    package var state: State {
        // Two bits: every value is a case.
        get { State(rawValue: rawValue[bits: 28...29])! }
        set { rawValue[bits: 28...29] = newValue.rawValue }
    }

    package var isGroup1: Bool {
        get { rawValue[bit: 30] }
        set { rawValue[bit: 30] = newValue }
    }

    package var isHardware: Bool {
        get { rawValue[bit: 31] }
        set { rawValue[bit: 31] = newValue }
    }

    package var isPending: Bool {
        get { rawValue[bit: 28] }
        set { rawValue[bit: 28] = newValue }
    }

    package var isActive: Bool {
        get { rawValue[bit: 29] }
        set { rawValue[bit: 29] = newValue }
    }

    package var isValid: Bool { state != .invalid }
    package var isSoftwareGenerated: Bool { virtualID < 16 }
    /// Its bit of GICH_EISR: the interrupt ended, and the hypervisor asked to know.
    package var hasEnded: Bool { !isValid && requestsMaintenance }
    /// Its bit of GICH_ELRSR: usable for another interrupt without losing anything.
    package var isEmpty: Bool { !isValid && !requestsMaintenance }
}

extension ListRegister: CustomStringConvertible {
    /// "pending 48 prio a0 grp0 hw 40", or "empty".
    package var description: String {
        if isEmpty { return "empty" }
        var words: [String] =
            switch state {
            case .invalid: ["ended"]
            case .pending: ["pending"]
            case .active: ["active"]
            case .pendingAndActive: ["pending+active"]
            }
        words.append("\(virtualID)")
        words.append("prio \(hexadecimal(priority, digits: 2).dropFirst(2))")
        words.append(isGroup1 ? "grp1" : "grp0")
        if isHardware {
            words.append("hw \(physicalID)")
        } else {
            if isSoftwareGenerated { words.append("from vcpu\(source)") }
            if requestsMaintenance { words.append("eoi-maintenance") }
        }
        return words.joined(separator: " ")
    }
}
