import Glibc

/// What a program makes of a file, as `program <path` prints it.
package enum Filtered: Equatable, Sendable {
    case output([UInt8])
    /// It said that it failed, by this exit status.
    case failed(status: Int32)
    /// There is more output than was to be read.
    case tooLong
}

/// Runs `arguments`, looked up in PATH, with the file at `path` as its standard input, and reads what it prints: `limit`
/// bytes at most. What it complains of is not shown. Error: `noSuchFile` where there is no such program.
package func filter(_ path: String, through arguments: [String], limit: Int) throws(Errno) -> Filtered {
    var ends: [Int32] = [-1, -1]
    try system { pipe(&ends) }
    // SAFETY: not memory: both descriptors are this function's own, and each has one owner.
    let source = Descriptor(owning: ends[0])
    let sink = Descriptor(owning: ends[1])
    let child = try ChildProcess(arguments, between: path, and: sink.number)
    // The child's copy is the only one left: its end is the end of the output.
    _ = consume sink
    var bytes: [UInt8] = []
    while true {
        let chunk = try source.read(upTo: 1 << 20)
        if chunk.isEmpty { break }
        bytes += chunk
        if bytes.count > limit {
            child.terminate()
            _ = try child.wait()
            return .tooLong
        }
    }
    let status = try child.wait()
    return status == 0 ? .output(bytes) : .failed(status: status)
}
