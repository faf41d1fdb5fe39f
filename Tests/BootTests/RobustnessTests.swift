import Primitives
import TestSupport
import Testing

@testable import Boot

/// Any bytes give an image or an error. A trap ends the test process: run with the printed seed again.
@Suite struct RobustnessTests {
    @Test("Changed images give a sound image or an error of one line", arguments: [0x5EED, 1, 2, 3] as [UInt64])
    func mutations(seed: UInt64) throws {
        print("boot mutations: seed \(seed)")
        var generator = Seeded(seed)
        let ram = try ram(64 << 20)
        for round in 0..<5000 {
            var (file, options) = validImages[round % validImages.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&file, using: &generator) }
            if Int.random(in: 0..<4, using: &generator) == 0 {
                options = LoadOptions(format: ImageFormat.allCases.randomElement(using: &generator) ?? .auto)
            }
            try expectImageOrError(file, options, ram)
        }
    }

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

    /// Changes a bit, a byte, a word to an extreme value, or the length.
    private func mutate(_ file: inout [UInt8], using generator: inout Seeded) {
        guard let offset = file.indices.randomElement(using: &generator) else { return }
        let extremes: [UInt64] = [0, 1, 0xFFF, 0x1000, 0x8000_0000, 0xFFFF_FFFF, 1 << 60, 1 << 63, .max - 7, .max]
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: file[offset] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1, 2: file[offset] = UInt8.random(in: 0...255, using: &generator)
        case 3: file.removeLast(Int.random(in: 0...min(8, file.count), using: &generator))
        case 4: file.insert(UInt8.random(in: 0...255, using: &generator), at: offset)
        default:
            let word = offset & ~3
            let value = extremes.randomElement(using: &generator) ?? 0
            file.store(value, at: word, count: min([4, 8].randomElement(using: &generator) ?? 4, file.count - word))
        }
    }
}
