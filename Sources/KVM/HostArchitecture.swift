/// The architecture of this host's processors, and so of the guests that its KVM runs.
package enum HostArchitecture: Sendable { case x86_64, arm64 }
