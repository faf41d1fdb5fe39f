import Architecture
import Primitives
import RemoteProtocol

// Where a Linux guest's kernel went, for those whose symbols are of where it was linked: gdb asks once, when it attaches.
extension Session {
    private func linuxKernel() throws(X86LinuxKernel.Absence) -> X86LinuxKernel {
        guard layout.architecture == .x86_64 else { throw .otherArchitecture }
        let paging = X86.paging(target.registers(of: selected, having: RegisterBlocks()))
        let link = target.traits.linkAddress ?? X86LinuxKernel.usualLinkAddress
        return try X86LinuxKernel.find(paging, linkedAt: link, in: target.memory)
    }

    /// GDB manual, "qOffsets". gdb moves whole segments by the place of the first, and sections one by one where it is
    /// given offsets, which misses most of a kernel's. LLDB takes either for the offset of all. No reply: no such guest.
    func answerSectionOffsets() {
        guard let kernel = try? linuxKernel() else { return }
        guard client.listsThreadsInStops else {
            reply.text("TextSeg=")
            return reply.number(kernel.start.rawValue)
        }
        for (index, name) in ["Text", "Data", "Bss"].enumerated() {
            reply.text("\(index == 0 ? "" : ";")\(name)=")
            reply.number(kernel.slide)
        }
    }

    /// LLDB's keys of qProcessInfo, which want the file's build id.
    func describeMainBinary() {
        guard let kernel = try? linuxKernel(), let id = kernel.buildID else { return }
        reply.text("main-binary-uuid:\(id);main-binary-slide:")
        reply.number(kernel.slide)
        reply.text(";")
    }

    /// `monitor kaslr`.
    func describeSlide() throws(Refusal) -> String {
        do throws(X86LinuxKernel.Absence) {
            let kernel = try linuxKernel()
            let slide = hexadecimal(kernel.slide)
            let name = kernel.release.map { "Linux \($0)" } ?? "Linux"
            let source =
                switch kernel.source {
                case .note: "as its VMCOREINFO says"
                case .pageTables: "as its page tables say"
                }
            return "\(name) begins at \(kernel.start), \(slide) above where it was linked, \(source)\n"
                + "in gdb: symbol-file -o \(slide) vmlinux"
        } catch {
            throw Refusal(error.description)
        }
    }
}
