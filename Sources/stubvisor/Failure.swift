import Boot
import Host
import Machine

/// Why stubvisor cannot do what it was asked, with the exit status of sysexits(3) that scripts see.
enum Failure: Error {
    case usage(String)
    case image(path: String, BootError)
    case unreadable(path: String, Errno)
    /// What is at `path` cannot be a disk.
    case disk(path: String, String)
    case noKVM(request: String, Errno)
    case host(String)

    init(_ error: MachineError) {
        switch error {
        case .kvm(let request, let errno): self = .noKVM(request: request, errno)
        case .host(let what, let errno): self = .host("the host refused \(what): \(errno)")
        }
    }

    init(_ error: BootError, path: String) {
        if case .memorySize = error { self = .usage("\(error)") } else { self = .image(path: path, error) }
    }

    var status: Int32 {
        switch self {
        case .usage: 64
        case .image, .unreadable, .disk: 65
        case .noKVM: 69
        case .host: 71
        }
    }
}

extension Failure: CustomStringConvertible {
    var description: String {
        switch self {
        case .usage(let text): "\(text); try: stubvisor help"
        case .image(let path, let error): "\(path): \(error)"
        case .unreadable(let path, let error): "\(path): \(error)"
        case .disk(let path, let reason): "\(path): \(reason)"
        case .noKVM(let request, let errno): "no usable KVM: \(request): \(errno)" + advice(errno)
        case .host(let text): text
        }
    }

    private func advice(_ errno: Errno) -> String {
        switch errno {
        case .noSuchFile:
            "; load the kvm module (modprobe kvm_intel or kvm_amd), or switch virtualisation on in the firmware or outer VM"
        case .noPermission, .notPermitted:
            "; join the group that owns it (usually: sudo usermod -aG kvm $USER, then log in again)"
        default: ""
        }
    }
}
