#if arch(x86_64)
import CLinux
import Host
import Primitives

extension System {
    /// What this host can offer a guest. The corresponding request is `KVM_GET_SUPPORTED_CPUID`.
    package func supportedProcessor() throws(KVMError) -> [CPUIDEntry] {
        let number = descriptor.number
        var capacity = 128
        while true {
            var list: [UInt8] = []
            list.append(littleEndian: UInt64(capacity))
            list += [UInt8](repeating: 0, count: capacity * CPUIDEntry.size)
            do throws(KVMError) {
                // SAFETY: the header says how many entries follow it; the kernel fills no more.
                _ = try request("KVM_GET_SUPPORTED_CPUID") {
                    list.withUnsafeMutableBytes { clinux_ioctl(number, REQUEST_GET_SUPPORTED_CPUID, $0.baseAddress) }
                }
            } catch {
                guard error.errno == .tooBig, capacity < 4096 else { throw error }
                capacity *= 2
                continue
            }
            let count: Int = list.number(at: 0, count: 4)
            return (0..<count).map { entry in
                func field(_ i: Int) -> UInt32 { list.number(at: 8 + entry * CPUIDEntry.size + i * 4, count: 4) }
                return CPUIDEntry(
                    leaf: field(0), subleaf: field(1), flags: field(2), eax: field(3), ebx: field(4), ecx: field(5),
                    edx: field(6))
            }
        }
    }
}

extension VCPU {
    /// Gives the processor these CPUID answers. The corresponding request is `KVM_SET_CPUID2`.
    package func setProcessor(_ entries: [CPUIDEntry]) throws(KVMError) {
        var list: [UInt8] = []
        list.append(littleEndian: UInt64(entries.count))
        for entry in entries {
            let fields = [entry.leaf, entry.subleaf, entry.flags, entry.eax, entry.ebx, entry.ecx, entry.edx, 0, 0, 0]
            for field in fields { list.append(littleEndian: field) }
        }
        let number = descriptor.number
        _ = try request("KVM_SET_CPUID2") {
            list.withUnsafeMutableBytes { clinux_ioctl(number, REQUEST_SET_CPUID2, $0.baseAddress) }
        }
    }
}
#endif
