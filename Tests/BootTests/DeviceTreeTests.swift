import Foundation
import Primitives
import Testing

@testable import Boot

@Suite struct DeviceTreeTests {
    private func blob(
        _ processors: Int = 2, _ controller: Arm64Machine.InterruptController = .gicv2, size: UInt64 = 256 << 20,
        commandLine: String = "console=ttyAMA0 quiet", initrd: Range<PhysicalAddress>? = nil, virtio: Int = 0
    ) throws -> [UInt8] {
        Arm64Machine(processorCount: processors, interruptController: controller, virtioCount: virtio)
            .deviceTree(
                memory: try MachineMemory(size: size, board: .arm), commandLine: commandLine, initrd: initrd
            ).blob
    }

    @Test("A blob is read back as what was written")
    func roundTrip() throws {
        typealias Node = DeviceTree.Node
        let tree = DeviceTree(
            root: Node(
                "", [DeviceTree.Property("empty"), DeviceTree.Property("text", "a", "bc")],
                [
                    Node("one@1", [DeviceTree.Property("cells", cells: [1, 0xffff_fffe])]),
                    Node("two", [DeviceTree.Property("text", ""), DeviceTree.Property("wide", wide: [1 << 40])]),
                    Node("three", [DeviceTree.Property("odd", [1, 2, 3, 4, 5])], [Node("four")]),
                ]))
        let root = try DeviceTreeReader(tree.blob).root
        #expect(root.properties["empty"] == [] && root.texts("text") == ["a", "bc"])
        #expect(root.children.map(\.name) == ["one@1", "two", "three"])
        #expect(root["one@1"]?.cells("cells") == [1, 0xffff_fffe])
        #expect(root["two"]?.texts("text") == [""] && root["two"]?.cells("wide") == [0x100, 0])
        #expect(root["three"]?.properties["odd"] == [1, 2, 3, 4, 5] && root["three/four"] != nil)
    }

    @Test("The kernel gets the places of memory, console and initrd")
    func places() throws {
        let initrd = PhysicalAddress(0x4820_0000)..<PhysicalAddress(0x4820_1234)
        let root = try DeviceTreeReader(blob(size: 5 << 30, initrd: initrd)).root
        #expect(root["memory@40000000"]?.cells("reg") == [0, 0x4000_0000, 1, 0x4000_0000])
        let chosen = try #require(root["chosen"])
        #expect(chosen.texts("bootargs") == ["console=ttyAMA0 quiet"])
        #expect(chosen.cells("linux,initrd-start") == [0, 0x4820_0000])
        #expect(chosen.cells("linux,initrd-end") == [0, 0x4820_1234])
        let console = try #require(chosen.texts("stdout-path")?.first)
        let uart = try #require(root[console])
        #expect(uart.texts("compatible") == ["arm,pl011", "arm,primecell"])
        #expect(uart.cells("reg") == [0, 0x0900_0000, 0, 0x1000])
        #expect(uart.cells("interrupts") == [0, 1, 4])
        #expect(uart.texts("clock-names") == ["uartclk", "apb_pclk"])
        let clock = try #require(root["apb-pclk"]?.cells("phandle")?.first)
        #expect(uart.cells("clocks") == [clock, clock])
        #expect(root["chosen"]?.properties["linux,initrd-start"] != nil)
        let bare = try DeviceTreeReader(blob(commandLine: "")).root
        #expect(bare["chosen"]?.properties.keys.sorted() == ["stdout-path"])
    }

    @Test("Virtio devices are where QEMU's board has them, as many as there are")
    func virtio() throws {
        let none = try DeviceTreeReader(blob()).root
        #expect(!none.children.contains { $0.name.hasPrefix("virtio") })
        let root = try DeviceTreeReader(blob(virtio: 2)).root
        #expect(root.children.count { $0.name.hasPrefix("virtio") } == 2)
        let second = try #require(root["virtio_mmio@a000200"])
        #expect(second.texts("compatible") == ["virtio,mmio"] && second.properties["dma-coherent"] == [])
        #expect(second.cells("reg") == [0, 0x0a00_0200, 0, 0x200] && second.cells("interrupts") == [0, 17, 4])
    }

    @Test("Each processor is named by its affinity, 16 to a cluster, and started by PSCI")
    func processors() throws {
        let root = try DeviceTreeReader(blob(18, .gicv3)).root
        let names = try #require(root["cpus"]).children.map(\.name)
        #expect(names.count == 18)
        #expect(names[15] == "cpu@f" && names[16] == "cpu@100" && names[17] == "cpu@101")
        #expect(root["cpus/cpu@101"]?.cells("reg") == [0x101])
        #expect(try #require(root["cpus"]).children.allSatisfy { $0.texts("enable-method") == ["psci"] })
        #expect(root["psci"]?.texts("method") == ["hvc"])
    }

    @Test("A GICv2 has its two register blocks, and timer interrupts name the processors that have them")
    func gicv2() throws {
        let root = try DeviceTreeReader(blob(3)).root
        let controller = try #require(root["interrupt-controller@8000000"])
        #expect(controller.texts("compatible")?.first == "arm,cortex-a15-gic")
        #expect(controller.cells("reg") == [0, 0x0800_0000, 0, 0x1000, 0, 0x0801_0000, 0, 0x2000])
        #expect(controller.cells("#interrupt-cells") == [3])
        #expect(root.cells("interrupt-parent") == controller.cells("phandle"))
        let timer = try #require(root["timer"]?.cells("interrupts"))
        #expect(timer == [1, 13, 0x704, 1, 14, 0x704, 1, 11, 0x704, 1, 10, 0x704])
    }

    @Test("A GICv3 has two pages of redistributor a processor")
    func gicv3() throws {
        let root = try DeviceTreeReader(blob(4, .gicv3)).root
        let controller = try #require(root["interrupt-controller@8000000"])
        #expect(controller.texts("compatible") == ["arm,gic-v3"])
        #expect(controller.cells("reg") == [0, 0x0800_0000, 0, 0x1_0000, 0, 0x080a_0000, 0, 0x8_0000])
        #expect(root["timer"]?.cells("interrupts")?.prefix(3) == [1, 13, 4])
    }

    private static let compiler = ["/usr/bin/dtc"].first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(
        "dtc has nothing to say against it",
        .enabled(if: compiler != nil, "dtc is not installed (package device-tree-compiler)"),
        arguments: [(1, .gicv2), (8, .gicv2), (20, .gicv3)] as [(Int, Arm64Machine.InterruptController)])
    func compiled(processors: Int, controller: Arm64Machine.InterruptController) throws {
        let initrd = PhysicalAddress(0x4820_0000)..<PhysicalAddress(0x4820_1234)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("arm64-\(UUID().uuidString).dtb")
        try Data(blob(processors, controller, initrd: initrd, virtio: processors % 9)).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.compiler))
        process.arguments = ["-I", "dtb", "-O", "dts", path.path]
        let (output, complaints) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = complaints
        try process.run()
        let source = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let said = String(decoding: complaints.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && said.isEmpty, "\(said)")
        #expect(source.contains("compatible = \"arm,armv8-timer\"") && source.contains("cpu@0 {"))
    }
}
