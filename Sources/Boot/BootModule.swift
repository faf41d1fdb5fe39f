// Files that a boot loader hands to a kernel beside it.

import Primitives

/// A file for the kernel, with the words that go with it.
package struct BootModule: Equatable, Sendable {
    package let bytes: [UInt8]
    /// What multiboot calls its string and PVH its command line: the file's name, then its arguments.
    package let text: String

    package init(_ bytes: [UInt8], text: String) {
        self.bytes = bytes
        self.text = text
    }
}

/// A module where it lies in memory.
struct PlacedModule {
    let address: PhysicalAddress
    let size: UInt64
    let text: String
}

extension LoadOptions {
    /// The initrd is the first.
    var allModules: [BootModule] { (initrd.map { [BootModule($0, text: "initrd")] } ?? []) + modules }
}

extension Layout {
    /// Places `modules` on page borders above the image.
    mutating func place(_ modules: [BootModule]) throws(BootError) -> [PlacedModule] {
        var placed: [PlacedModule] = []
        for module in modules {
            let purpose = module.text == "initrd" ? "initrd" : "module \(module.text)"
            let size = UInt64(module.bytes.count)
            // An empty one, too, has a place of its own.
            let address = try allocate(max(size, 1), alignment: 0x1000, in: .high, for: purpose)
            place(module.bytes, at: address)
            placed.append(PlacedModule(address: address, size: size, text: module.text))
        }
        return placed
    }
}
