#if arch(arm64)
extension System {
    package static let architecture = HostArchitecture.arm64
}
#endif
