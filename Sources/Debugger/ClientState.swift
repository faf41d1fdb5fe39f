import RemoteProtocol

/// What a client has said of itself and chosen.
struct ClientState {
    var features: ClientFeatures = []
    /// It speaks the extended protocol: it may run the program again.
    var isExtended = false
    /// LLDB: stop replies list the threads.
    var listsThreadsInStops = false
    /// LLDB: `x` is answered by the bytes alone, without a `b` before them.
    var wantsBareBinary = false
    /// QEMU's `qqemu.PhyMemMode`: addresses are physical ones.
    var readsPhysicalMemory = false
    var stepMask = StepMask.all
    /// The vCPU that `c` and `s` mean (`Hc`); nil for all.
    var selectedToResume: Int?
    var savedRegisters = Session.SavedRegisters()
}

/// What came while it could not be answered.
struct EarlyInput {
    /// Packets that came while the machine ran: answered when it has stopped.
    var packets: [[UInt8]] = []
    /// A Ctrl-C that no stop has answered: it came while the machine was stopped, or crossed another stop. It answers the
    /// next resume. All-stop mode only.
    var isInterruptPending = false
}
