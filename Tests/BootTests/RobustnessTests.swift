import Primitives
import TestSupport
import Testing

@testable import Boot

/// Any bytes give an image or an error. FuzzTests has changed ones.
@Suite struct RobustnessTests {
    @Test("Every prefix of an image gives a sound image or an error", arguments: validImages.indices)
    func truncations(index: Int) throws {
        let (file, options) = validImages[index]
        let ram = try ram(64 << 20)
        for count in 0...file.count { try expectImageOrError(Array(file.prefix(count)), options, ram) }
    }

    @Test("Flat images give a sound image or an error at any address", arguments: CPUMode.allCases)
    func addresses(mode: CPUMode) throws {
        let ram = try ram(64 << 20)
        let edges: [UInt64] = [
            0, 1, 0xFFF, 0x1000, 0x7C00, 0xFFFF, 0x1_0000, 0x9_EFFF, 0xF_FFFF, 0x10_0000, 0x3FF_FFFF, 0x400_0000,
            0xFFFF_FFFF, 0x1_0000_0000, 1 << 63, .max - 1, .max,
        ]
        for address in edges {
            for entry in edges.map(Optional.some) + [nil] {
                let options = LoadOptions(
                    format: .flat, loadAddress: PhysicalAddress(address), entry: entry, mode: mode)
                try expectImageOrError([0xEB, 0xFE], options, ram)
            }
        }
    }

    private func expectImageOrError(_ file: [UInt8], _ options: LoadOptions, _ ram: MachineMemory) throws {
        do {
            let image = try load(file, options: options, into: ram)
            expectSound(image, in: ram)
        } catch {
            let text = "\(error)"
            if text.isEmpty || text.contains("\n") || text.hasSuffix(".") { Issue.record("error text: \(text)") }
        }
    }
}
