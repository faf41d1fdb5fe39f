#if arch(x86_64)
extension System {
    package static let architecture = HostArchitecture.x86_64
}
#endif
