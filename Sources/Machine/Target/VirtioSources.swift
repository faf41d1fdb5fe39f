import Debugger
import Devices
import Host
import KVM
import Primitives

/// What the host gives a machine's virtio devices: disks, the first ones, and random numbers.
package struct VirtioSources: Sendable {
    /// How many devices a machine has at most.
    package static let maximumCount = PCBoard.virtio.count

    package var disks: [DiskFile] = []
    package var hasEntropy = false

    package init() {}

    /// The machine's devices in their order.
    package var functions: [VirtioDevice.Function] {
        disks.enumerated().map { number, file in
            .block(
                VirtioBlock(
                    disk: number, sectors: file.size / DiskFile.sectorSize, isReadOnly: file.isReadOnly,
                    name: file.name))
        } + (hasEntropy ? [.entropy] : [])
    }
}

extension VirtioSources: VirtioHost {
    package func read(_ disk: Int, at offset: UInt64, into bytes: inout [UInt8]) -> Bool {
        do throws(Errno) { try disks[disk].read(at: offset, into: &bytes) } catch { return report(disk, "read", error) }
        return true
    }

    package func write(_ disk: Int, at offset: UInt64, _ bytes: [UInt8]) -> Bool {
        do throws(Errno) { try disks[disk].write(bytes, at: offset) } catch { return report(disk, "written", error) }
        return true
    }

    package func flush(_ disk: Int) -> Bool {
        do throws(Errno) { try disks[disk].flush() } catch { return report(disk, "flushed", error) }
        return true
    }

    package func fillRandom(_ bytes: inout [UInt8]) -> Bool {
        do throws(Errno) { try Host.fillRandom(&bytes) } catch { return false }
        return true
    }

    private func report(_ disk: Int, _ what: String, _ error: Errno) -> Bool {
        diagnose(
            .disk, "disk \(disk), \(disks[disk].name), could not be \(what): \(error); the guest gets an I/O error")
        return false
    }
}

/// Guest memory as devices read and write it: without planted breakpoints, and firmware stays as it is.
struct DeviceMemory: PhysicalMemory {
    let hidden: HiddenBreakpoints
    /// The client's.
    let planted: PlantedTable
    let firmware: Range<PhysicalAddress>

    var ranges: [Range<PhysicalAddress>] { hidden.ranges }

    func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool {
        guard hidden.read(address, into: &bytes) else { return false }
        planted.mask(&bytes, readFrom: address, planting: hidden.instruction)
        return true
    }

    func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool {
        let (end, overflow) = address.rawValue.addingReportingOverflow(UInt64(bytes.count))
        guard !overflow, !firmware.overlaps(address..<PhysicalAddress(end)) else { return false }
        return hidden.write(address, bytes)
    }

    func word(at address: PhysicalAddress) -> UInt64? { hidden.word(at: address) }
}

extension VirtualMachine {
    /// Serves what drivers have left for devices, request by request, until nothing is left or the vCPU is called out of
    /// the guest: then at the next entry of any vCPU.
    func serveDevices(by processor: Processor) throws(KVMError) {
        shared.hasDeviceWork.store(true, ordering: .relaxed)
        repeat {
            guard let served = serveDevice() else {
                shared.hasDeviceWork.store(false, ordering: .relaxed)
                return
            }
            if let line = served.line { try change(line, by: processor) }
            if let fault = served.fault {
                diagnose(.disk, "\(served.name): its driver must reset it: \(fault)")
            }
        } while !processor.isKicked
    }
}
