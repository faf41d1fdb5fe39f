import Architecture
import Debugger
import KVM
import Primitives

// Device memory as a debugger reads it: the kernel's interrupt controllers answer with what a vCPU would read, and
// nothing happens to them. Other devices of this machine have ports only.
extension VirtualMachine {
    private static let pageSize = 0x1000
    private static let ioAPIC = PhysicalAddress(0xfec0_0000)

    package func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        let offset = Int(address.rawValue % UInt64(Self.pageSize))
        let page = address + -offset
        let registers: [UInt8]?
        do throws(KVMError) { registers = try deviceRegisters(at: page, of: processors[processor]) } catch {
            throw Refusal("the device at physical \(page) cannot be read: \(error)")
        }
        guard let registers else { throw Refusal("physical \(address) is neither memory nor a device") }
        let rest = [UInt8](repeating: 0, count: Self.pageSize - registers.count)
        return Array((registers + rest)[offset...].prefix(count))
    }

    /// The beginning of the page at `page`, zeroes being what follows; nil where no device is.
    private func deviceRegisters(at page: PhysicalAddress, of processor: Processor) throws(KVMError) -> [UInt8]? {
        if page == X86.localAPIC(processor.registers) { return try processor.vcpu.get(.localAPIC) }
        return page == Self.ioAPIC ? Self.ioAPICRegisters(try vm.ioAPIC()) : nil
    }

    /// The two registers that an I/O APIC shows (82093AA data sheet, section 3.0): IOREGSEL, and at 0x10 what it selects.
    private static func ioAPICRegisters(_ state: [UInt8]) -> [UInt8] {
        // `struct kvm_ioapic_state`: base address, IOREGSEL, ID, IRR, padding, 24 redirection entries.
        let selected: UInt32 = state.number(at: 8, count: 4)
        let identifier: UInt32 = state.number(at: 12, count: 4)
        let (entries, pins) = (24, 24 as UInt32)
        let window: UInt32
        switch selected & 0xff {
        case 0, 2: window = identifier << 24
        case 1: window = (pins - 1) << 16 | 0x11
        case 0x10..<0x10 + 2 * pins: window = state.number(at: entries + Int(selected & 0xff - 0x10) * 4, count: 4)
        default: window = 0
        }
        var page: [UInt8] = []
        page.append(littleEndian: selected)
        page += [UInt8](repeating: 0, count: 12)
        page.append(littleEndian: window)
        return page
    }
}
