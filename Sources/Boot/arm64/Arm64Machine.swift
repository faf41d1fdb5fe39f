// The description of the machine that an arm64 kernel gets: the device tree, after the kernel's bindings in
// Documentation/devicetree/bindings (arm/cpus, psci, interrupt-controller/arm,gic and arm,gic-v3, timer/arm,arch_timer,
// serial/pl011, virtio/mmio, chosen). Leaves out: PCI, real-time clock, performance monitor.

import Architecture
import Primitives

/// An arm64 machine beside its memory.
package struct Arm64Machine: Equatable, Sendable {
    package enum InterruptController: Sendable {
        case gicv2, gicv3
    }

    package let processorCount: Int
    package let interruptController: InterruptController
    /// How many of the board's places for virtio devices are taken.
    package let virtioCount: Int

    /// A GICv2 serves 8 processors at most.
    package init(processorCount: Int, interruptController: InterruptController, virtioCount: Int = 0) {
        precondition(processorCount >= 1, "a machine has a processor")
        precondition(interruptController != .gicv2 || processorCount <= 8, "a GICv2 serves 8 processors")
        self.processorCount = processorCount
        self.interruptController = interruptController
        self.virtioCount = virtioCount
    }

    private typealias Node = DeviceTree.Node
    private typealias Property = DeviceTree.Property

    private enum Handle {
        static let interrupts: UInt32 = 1
        static let clock: UInt32 = 2
    }

    /// The tree for `memory`, with what `chosen` says to the kernel; `initrd` is where that lies.
    func deviceTree(
        memory: MachineMemory, commandLine: String, initrd: Range<PhysicalAddress>?
    ) -> DeviceTree {
        let ram = memory.ranges.map { range in
            unit(
                "memory", range.lowerBound,
                [
                    Property("device_type", "memory"),
                    Property(
                        "reg", wide: [range.lowerBound.rawValue, range.upperBound.rawValue - range.lowerBound.rawValue]),
                ])
        }
        return DeviceTree(
            root: Node(
                "",
                [
                    Property("#address-cells", cells: [2]), Property("#size-cells", cells: [2]),
                    Property("interrupt-parent", cells: [Handle.interrupts]), Property("model", "stubvisor"),
                    Property("compatible", "linux,dummy-virt"),
                ],
                [chosen(commandLine, initrd)] + ram + [processors, psci, controller, timer, clock, uart] + virtio))
    }

    private func unit(_ name: String, _ address: PhysicalAddress, _ properties: [Property]) -> Node {
        Node("\(name)@\(String(address.rawValue, radix: 16))", properties)
    }

    private static let uartPath = "/pl011@\(String(ArmBoard.uart.rawValue, radix: 16))"

    private func chosen(_ commandLine: String, _ initrd: Range<PhysicalAddress>?) -> Node {
        var properties = [Property("stdout-path", Self.uartPath)]
        if !commandLine.isEmpty { properties.append(Property("bootargs", commandLine)) }
        if let initrd {
            properties.append(Property("linux,initrd-start", wide: [initrd.lowerBound.rawValue]))
            properties.append(Property("linux,initrd-end", wide: [initrd.upperBound.rawValue]))
        }
        return Node("chosen", properties)
    }

    private var processors: Node {
        let nodes = (0..<processorCount).map { number in
            let affinity = Arm64.affinity(ofProcessor: number)
            return unit(
                "cpu", PhysicalAddress(affinity),
                [
                    Property("device_type", "cpu"), Property("compatible", "arm,armv8"),
                    Property("reg", cells: [UInt32(affinity)]), Property("enable-method", "psci"),
                ])
        }
        return Node("cpus", [Property("#address-cells", cells: [1]), Property("#size-cells", cells: [0])], nodes)
    }

    /// KVM answers HVC.
    private var psci: Node {
        Node("psci", [Property("compatible", "arm,psci-1.0", "arm,psci-0.2"), Property("method", "hvc")])
    }

    private var controller: Node {
        let isSecond = interruptController == .gicv2
        let registers: [UInt64] =
            isSecond
            ? [ArmBoard.distributor.rawValue, 0x1000, ArmBoard.interruptInterface.rawValue, 0x2000]
            : [
                ArmBoard.distributor.rawValue, 0x1_0000, ArmBoard.redistributors.rawValue,
                ArmBoard.redistributorSize * UInt64(processorCount),
            ]
        return unit(
            "interrupt-controller", ArmBoard.distributor,
            [
                isSecond
                    ? Property("compatible", "arm,cortex-a15-gic", "arm,gic-400")
                    : Property("compatible", "arm,gic-v3"),
                Property("#interrupt-cells", cells: [3]), Property("#address-cells", cells: [0]),
                Property("interrupt-controller"), Property("reg", wide: registers),
                Property("phandle", cells: [Handle.interrupts]),
            ])
    }

    /// The three cells of an interrupt: 0 shared or 1 private, its number in that kind, 4 for a high level; of a GICv2's
    /// private one the processors that have it as well.
    private func interrupt(_ number: UInt32) -> [UInt32] {
        let level: UInt32 = 4
        guard number < ArmBoard.firstShared else { return [0, number - ArmBoard.firstShared, level] }
        let mask: UInt32 = interruptController == .gicv2 ? .mask(processorCount) << 8 : 0
        return [1, number - ArmBoard.firstPrivate, mask | level]
    }

    private var timer: Node {
        let interrupts = [
            ArmBoard.secureTimer, ArmBoard.physicalTimer, ArmBoard.virtualTimer, ArmBoard.hypervisorTimer,
        ]
        return Node(
            "timer",
            [
                Property("compatible", "arm,armv8-timer"),
                Property("interrupts", cells: interrupts.flatMap(interrupt)), Property("always-on"),
            ])
    }

    private var clock: Node {
        Node(
            "apb-pclk",
            [
                Property("compatible", "fixed-clock"), Property("#clock-cells", cells: [0]),
                Property("clock-frequency", cells: [ArmBoard.clockFrequency]),
                Property("clock-output-names", "clk24mhz"), Property("phandle", cells: [Handle.clock]),
            ])
    }

    private var virtio: [Node] {
        ArmBoard.virtio.prefix(virtioCount).map { place in
            unit(
                "virtio_mmio", place.address,
                [
                    Property("compatible", "virtio,mmio"),
                    Property("reg", wide: [place.address.rawValue, UInt64(VirtioPlace.size)]),
                    Property("interrupts", cells: interrupt(place.interrupt)), Property("dma-coherent"),
                ])
        }
    }

    private var uart: Node {
        unit(
            "pl011", ArmBoard.uart,
            [
                Property("compatible", "arm,pl011", "arm,primecell"),
                Property("reg", wide: [ArmBoard.uart.rawValue, ArmBoard.uartSize]),
                Property("interrupts", cells: interrupt(ArmBoard.uartInterrupt)),
                Property("clocks", cells: [Handle.clock, Handle.clock]),
                Property("clock-names", "uartclk", "apb_pclk"),
            ])
    }
}
