// A hypervisor's side of the virtualization extensions, thought as KVM's vgic thinks (Linux 6.12, virt/kvm vgic): each
// vCPU has a list of what is active or pending for it; on entry the most urgent go into its list registers, on exit
// what the guest did with them is taken back. Between entry and exit the guest acknowledges and ends interrupts without
// the hypervisor, which is the point of it all.
//
// Not modelled: LPIs, the guest's accesses to its virtual Distributor (setters stand for them), the deactivation by
// GICV_DIR of an interrupt that has no list register (a GIC-400 hypervisor cannot know which one it was).

import Primitives

/// The interrupts of one guest and the virtual interface of each vCPU.
package struct VirtualDistributor: Equatable, Sendable {
    /// GICD_CTLR of the guest: nothing new goes to any vCPU while false.
    package var isEnabled = true
    /// Private ones: 32 for each vCPU; then the SPIs.
    var interrupts: [VirtualInterrupt]
    /// By vCPU: places in `interrupts`, in the order in which they came.
    package internal(set) var queues: [[Int]]
    /// By vCPU, as its registers are while it runs.
    package internal(set) var interfaces: [VirtualCPUInterface]
    package internal(set) var isRunning: [Bool]
    /// The inputs of the physical interrupts, for the levels that have to be looked at again.
    package internal(set) var physicalLines: Set<Int> = []
    /// Physical interrupts that the host has acknowledged and that are not deactivated.
    package internal(set) var physicalActive: Set<Int> = []
    package internal(set) var record: FlowRecord

    /// 1 to 8 vCPUs, `shared` SPIs from 32 on. One list register alone would ask for maintenance as soon as the guest
    /// is entered with more to come.
    package init(processors: Int = 1, shared: Int = 96, listRegisters: Int = 4, recordCapacity: Int = 1024) {
        precondition((1...8).contains(processors), "1 to 8 vCPUs")
        precondition((2...64).contains(listRegisters), "2 to 64 list registers")
        precondition((0...988).contains(shared), "INTIDs end at 1019")
        interrupts = (0..<processors).flatMap { cpu in (0..<32).map { VirtualInterrupt($0, target: cpu) } }
        interrupts += (32..<32 + shared).map { VirtualInterrupt($0, target: 0) }
        queues = [[Int]](repeating: [], count: processors)
        interfaces = (0..<processors).map { _ in VirtualCPUInterface(listRegisters: listRegisters) }
        isRunning = [Bool](repeating: false, count: processors)
        record = FlowRecord(capacity: recordCapacity)
    }

    package var processors: Int { queues.count }

    // MARK: Interrupts

    /// Where an interrupt is; of a private one, vCPU `cpu`'s.
    func place(_ id: Int, _ cpu: Int) -> Int { id < 32 ? cpu * 32 + id : (processors - 1) * 32 + id }

    package func interrupt(_ id: Int, cpu: Int = 0) -> VirtualInterrupt { interrupts[place(id, cpu)] }

    /// What the guest sets through its Distributor. A list register that has the interrupt keeps the priority and the
    /// group that it was filled with; a new target counts from the next exit on.
    package mutating func configure(
        _ id: Int, cpu: Int = 0, _ change: (inout VirtualInterrupt) -> Void
    ) -> [VirtualDistributorEffect] {
        let place = place(id, cpu)
        change(&interrupts[place])
        var effects: [VirtualDistributorEffect] = []
        queue(place, &effects)
        return effects
    }

    /// The guest writes its GICD_ISACTIVER or GICD_ICACTIVER. A list register that has the interrupt overrules it.
    package mutating func setActive(_ id: Int, cpu: Int = 0, _ isActive: Bool) -> [VirtualDistributorEffect] {
        let place = place(id, cpu)
        interrupts[place].isActive = isActive
        var effects: [VirtualDistributorEffect] = []
        queue(place, &effects)
        return effects
    }

    /// Puts physical interrupt `physical` behind virtual interrupt `id`.
    package mutating func link(_ id: Int, cpu: Int = 0, toPhysical physical: Int) {
        precondition(id >= 16 && (16..<1020).contains(physical), "SGIs are not linked")
        interrupts[place(id, cpu)].physicalID = physical
    }

    // MARK: Where interrupts come from

    /// A virtual device raises or lowers its input.
    package mutating func setLine(_ id: Int, cpu: Int = 0, _ level: Bool) -> [VirtualDistributorEffect] {
        let place = place(id, cpu)
        precondition(id >= 16 && interrupts[place].physicalID == nil, "\(id) is no virtual device's")
        guard interrupts[place].isLineHigh != level else { return [] }
        var effects: [VirtualDistributorEffect] = []
        recordStep(level ? .raise : .lower, place)
        interrupts[place].isLineHigh = level
        if level, interrupts[place].isEdge { interrupts[place].isLatched = true }
        if level { queue(place, &effects) }
        return effects
    }

    /// vCPU `sender` writes its GICD_SGIR.
    package mutating func send(_ id: Int, from sender: Int, to targets: ProcessorSet) -> [VirtualDistributorEffect] {
        precondition(id < 16, "\(id) is no SGI")
        var effects: [VirtualDistributorEffect] = []
        for target in targets where target < processors {
            let place = place(id, target)
            recordStep(.send, place, cpu: target, argument: sender)
            interrupts[place].sources |= 1 << UInt8(sender)
            interrupts[place].isLatched = true
            queue(place, &effects)
        }
        return effects
    }

    /// The input of physical interrupt `physical` changes. The Distributor that it belongs to is the host's; this is
    /// what the hypervisor can read there.
    package mutating func setPhysicalLine(_ physical: Int, _ level: Bool) {
        if level { physicalLines.insert(physical) } else { physicalLines.remove(physical) }
    }

    /// The host took physical interrupt `physical`: it read GICC_IAR and wrote GICC_EOIR, with EOImode 1, so that the
    /// interrupt stays active, and cannot come again, until the guest ends its virtual one.
    package mutating func takePhysical(_ physical: Int) -> [VirtualDistributorEffect] {
        guard let place = interrupts.firstIndex(where: { $0.physicalID == physical }) else { return [] }
        precondition(physicalActive.insert(physical).inserted, "physical interrupt \(physical) is active already")
        var effects: [VirtualDistributorEffect] = []
        recordStep(.physicalAcknowledge, place, argument: physical)
        recordStep(.physicalDrop, place, argument: physical)
        recordStep(.raise, place)
        interrupts[place].isLineHigh = true
        if interrupts[place].isEdge { interrupts[place].isLatched = true }
        queue(place, &effects)
        return effects
    }

    mutating func deactivatePhysical(
        _ physical: Int, _ place: Int, _ cpu: Int?, _ effects: inout [VirtualDistributorEffect]
    ) {
        physicalActive.remove(physical)
        recordStep(.physicalDeactivate, place, cpu: cpu, argument: physical)
        effects.append(.deactivatePhysical(physical))
    }

    // MARK: The lists

    /// The vCPU that has to do with an interrupt now; nil where none has. An active one stays where it is.
    func destination(_ it: VirtualInterrupt) -> Int? {
        if it.isActive { return it.listedOn ?? it.target }
        return isEnabled && it.isEnabled && it.isPending ? it.target : nil
    }

    /// Puts an interrupt on the list of the vCPU that has to do with it, unless it is on one, and calls that vCPU out
    /// of the guest. One already listed may have been ended there unseen: so it calls in either case.
    mutating func queue(_ place: Int, _ effects: inout [VirtualDistributorEffect]) {
        guard let target = destination(interrupts[place]) else { return }
        let cpu = interrupts[place].listedOn ?? target
        if interrupts[place].listedOn == nil {
            interrupts[place].listedOn = cpu
            queues[cpu].append(place)
            recordStep(.queue, place, cpu: cpu)
        }
        recordStep(.kick, place, cpu: cpu)
        effects.append(.kick(cpu))
    }

    // MARK: The record

    mutating func recordStep(
        _ kind: FlowStep.Kind, _ place: Int? = nil, cpu: Int? = nil, list: Int? = nil, argument: Int = 0
    ) {
        var content = ListRegister()
        if let cpu, let list { content = interfaces[cpu].hypervisor.lists[list] }
        let it = place.map { interrupts[$0] }
        record.append(
            FlowStep(
                kind: kind, cpu: cpu ?? it.flatMap { $0.id < 32 ? $0.target : nil }, id: it?.id, flow: it?.flow,
                list: list, content: content, argument: argument))
    }

    package mutating func clearRecord() { record.clear() }
}

/// What the host has to do.
package enum VirtualDistributorEffect: Hashable, Sendable {
    /// There is something new for this vCPU: call it out of the guest if it runs, wake it if it waits.
    case kick(Int)
    /// This vCPU's nVIRQ changed, while it runs.
    case virtualIRQ(Int, Bool)
    case virtualFIQ(Int, Bool)
    /// This vCPU's maintenance interrupt came: it leaves the guest.
    case maintenance(Int)
    /// The physical Distributor deactivates this interrupt, by itself where the guest's end did it.
    case deactivatePhysical(Int)
    /// The guest has ended this level SPI: its device may look again.
    case ended(Int)
    case mistake(Int, VirtualInterfaceMistake)
}
