import Boot
import Primitives
import TestSupport

/// Options, chosen by an input's last byte: those of `validImages` first.
private let options: [LoadOptions] =
    validImages.map(\.options) + ImageFormat.allCases.map { LoadOptions(format: $0) }
    + CPUMode.allCases.flatMap { mode in
        [0, 0x7c00, 0xffff, 0x10_0000, 0x3ff_ffff, 1 << 32, .max].map { address in
            LoadOptions(format: .flat, loadAddress: PhysicalAddress(address), mode: mode)
        }
    }

extension FuzzEntry {
    /// An image of any format, and a byte for the options.
    static let bootImage = FuzzEntry(
        name: "boot-image", quick: 5000, seeds: validImages.enumerated().map { $1.file + [UInt8($0)] },
        words: [
            [0x7f, 0x45, 0x4c, 0x46], [0x02, 0xb0, 0xad, 0x1b], note("Xen", type: 18, [1, 0, 16, 0]),
            Array("HdrS".utf8),
        ]
    ) { input in
        guard let ram = try? MachineMemory(size: 64 << 20) else { return "64 MiB are no memory" }
        do {
            let image = try load(
                Array(input.dropLast()), options: options[Int(input.last ?? 0) % options.count], into: ram)
            let found = flaws(of: image, in: ram)
            return found.isEmpty ? nil : "\(found) in \(image.summary)"
        } catch {
            let text = "\(error)"
            return text.isEmpty || text.contains("\n") || text.hasSuffix(".") ? "error text: \(text)" : nil
        }
    }
}
