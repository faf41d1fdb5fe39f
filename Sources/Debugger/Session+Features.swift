import Architecture
import Primitives
import RemoteProtocol

// What the two sides can do, and the documents: target.xml and the thread list.
extension Session {
    func support(_ features: ClientFeatures) {
        client.features = features
        if features.contains(.errorMessages) { reply.errorStyle = .message }
        reply.features([
            ServerFeature("PacketSize", .number(UInt64(Self.packetSize))),
            ServerFeature("QStartNoAckMode"),
            ServerFeature("QNonStop"),
            ServerFeature("qXfer:features:read"),
            ServerFeature("qXfer:threads:read"),
            ServerFeature("qXfer:memory-map:read"),
            ServerFeature("vContSupported"),
            ServerFeature("multiprocess"),
            ServerFeature("swbreak"),
            ServerFeature("hwbreak"),
            ServerFeature("error-message"),
            ServerFeature("ConditionalBreakpoints"),
            ServerFeature("BreakpointCommands"),
            ServerFeature("binary-upload"),
        ])
    }

    func transfer(_ object: TransferObject, _ annex: ArraySlice<UInt8>, _ offset: Int, _ count: Int) {
        switch object {
        case .features where annex.elementsEqual("target.xml".utf8):
            reply.transfer(layout.targetDescription, offset: offset, count: min(count, Self.packetSize - 8))
        case .features: reply.error(.malformed, "the only annex is target.xml")
        case .threads: reply.transfer(threadList(), offset: offset, count: min(count, Self.packetSize - 8))
        case .memoryMap: reply.transfer(Self.memoryMap, offset: offset, count: min(count, Self.packetSize - 8))
        }
    }

    /// GDB manual, "Memory Map Format". gdb asks once, holds every address against it, virtual ones for most of a
    /// session, and refuses those outside; so where RAM is, which `monitor info mtree` says, would be wrong here. Any
    /// address may be memory: two halves, since a length has 64 bits.
    private static let memoryMap = Array(
        """
        <?xml version="1.0"?>
        <!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" \
        "http://sourceware.org/gdb/gdb-memory-map.dtd">
        <memory-map>
          <memory type="ram" start="0x0" length="0x8000000000000000"/>
          <memory type="ram" start="0x8000000000000000" length="0x8000000000000000"/>
        </memory-map>

        """.utf8)

    /// GDB manual, "Thread List Format".
    private func threadList() -> [UInt8] {
        var text = "<?xml version=\"1.0\"?>\n<threads>\n"
        for processor in ownProcessors {
            text += "<thread id=\"\(threadText(processor))\" core=\"\(processor)\" name=\"vCPU \(processor)\">"
            text += "\(target.report(.processor(processor)))</thread>\n"
        }
        return Array((text + "</threads>\n").utf8)
    }

    private func threadText(_ processor: Int) -> String {
        var scratch = Reply()
        scratch.thread(threadID(processor))
        return String(decoding: scratch.bytes, as: UTF8.self)
    }
}
