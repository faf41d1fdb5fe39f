#if arch(x86_64)
import CLinux
import Host
import Primitives

extension System {
    /// The registers that KVM saves and restores, by their indexes. The corresponding request is
    /// `KVM_GET_MSR_INDEX_LIST`.
    package func modelSpecificRegisters() throws(KVMError) -> [UInt32] {
        let (room, number) = (1024, descriptor.number)
        var list = [UInt8](repeating: 0, count: 4 + room * 4)
        list.store(room, at: 0, count: 4)
        // SAFETY: the first word says how many words follow it; the kernel refuses rather than write more.
        _ = try request("KVM_GET_MSR_INDEX_LIST") {
            list.withUnsafeMutableBytes { clinux_ioctl(number, REQUEST_GET_MSR_INDEX_LIST, $0.baseAddress) }
        }
        let count: Int = list.number(at: 0, count: 4)
        return (0..<min(count, room)).map { list.number(at: 4 + $0 * 4, count: 4) }
    }
}

// Model-specific registers: a `kvm_msrs` header of 8 bytes, then 16 bytes an entry: index, reserved, value.
extension VCPU {
    private static let header = 8
    private static let entry = 16

    /// The values of `indexes`, in their order, up to the first that KVM does not know.
    /// The corresponding request is `KVM_GET_MSRS`.
    package func modelSpecific(_ indexes: [UInt32]) throws(KVMError) -> [UInt64] {
        var list = Self.list(indexes.map { ($0, 0) })
        let count = Int(try access("KVM_GET_MSRS", REQUEST_GET_MSRS, &list))
        return indexes.indices.prefix(count).map { list.number(at: Self.header + $0 * Self.entry + 8, count: 8) }
    }

    /// The value of one register, or nil where KVM does not know it. The corresponding request is `KVM_GET_MSRS`.
    package func modelSpecific(_ index: UInt32) throws(KVMError) -> UInt64? {
        var list = Self.list([(index, 0)])
        guard try access("KVM_GET_MSRS", REQUEST_GET_MSRS, &list) == 1 else { return nil }
        return list.number(at: Self.header + 8, count: 8)
    }

    /// Writes one register; false where KVM refuses the index or the value.
    /// The corresponding request is `KVM_SET_MSRS`.
    package func setModelSpecific(_ index: UInt32, to value: UInt64) throws(KVMError) -> Bool {
        var list = Self.list([(index, value)])
        return try access("KVM_SET_MSRS", REQUEST_SET_MSRS, &list) == 1
    }

    private static func list(_ entries: [(UInt32, UInt64)]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(entries.count))
        for (index, value) in entries {
            bytes.append(littleEndian: UInt64(index))
            bytes.append(littleEndian: value)
        }
        return bytes
    }

    /// How many entries the kernel processed.
    @discardableResult
    private func access(_ name: String, _ code: UInt, _ list: inout [UInt8]) throws(KVMError) -> Int32 {
        let number = descriptor.number
        // SAFETY: the header says how many entries follow it; the kernel touches no more.
        return try request(name) { list.withUnsafeMutableBytes { clinux_ioctl(number, code, $0.baseAddress) } }
    }
}
#endif
