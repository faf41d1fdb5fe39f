import Architecture
import Primitives
import RemoteProtocol

// What LLDB asks before it reads target.xml.
extension Session {
    func answerHostInfo() {
        reply.text("triple:")
        reply.hex(Array("x86_64-unknown-none".utf8)[...])
        reply.text(";endian:little;ptrsize:8;")
    }

    func answerProcessInfo() {
        reply.text("pid:1;endian:little;ptrsize:8;triple:")
        reply.hex(Array("x86_64-unknown-none".utf8)[...])
        reply.text(";")
        describeMainBinary()
    }

    /// LLDB prefers target.xml: no register by number here.
    func answerRegisterInfo(_ number: Int) { reply.error(.malformed, "the registers are in target.xml") }
}
