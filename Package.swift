// swift-tools-version: 6.0
import PackageDescription

/// The house: every module with the modules it may import. `.ci/layering` holds the sources to this table.
let modules: [(name: String, imports: [String])] = [
    ("Primitives", []),
    ("Host", ["CLinux"]),
    ("KVM", ["CLinux", "Host", "Primitives"]),
    ("Architecture", ["Primitives"]),
    ("Interrupts", ["Primitives"]),
    ("Devices", ["Primitives"]),
    ("Boot", ["Primitives", "Architecture"]),
    ("RemoteProtocol", ["Primitives"]),
    ("Debugger", ["RemoteProtocol", "Architecture", "Interrupts", "Primitives"]),
    (
        "Machine",
        [
            "Primitives", "Host", "KVM", "Architecture", "Interrupts", "Devices", "Boot", "Debugger",
        ]
    ),
]

let programs: [(name: String, imports: [String])] = [
    ("stubvisor", ["Host", "RemoteProtocol", "Debugger", "Machine", "Boot", "Architecture", "Primitives"]),
    // It measures the other program, which must be there.
    (
        "stubvisor-bench",
        ["stubvisor", "Host", "RemoteProtocol", "Primitives", "Boot", "Interrupts", "Debugger", "Machine"]
    ),
]

/// Test targets with what they look into. `LiveTests` drives the built programs with real clients.
let tests: [(name: String, of: [String])] = [
    ("PrimitivesTests", ["Primitives", "TestSupport"]),
    ("HostTests", ["Host"]),
    ("DevicesTests", ["Devices", "Interrupts", "Primitives", "TestSupport"]),
    ("InterruptsTests", ["Interrupts", "Primitives", "TestSupport"]),
    ("BootTests", ["Boot", "Primitives", "TestSupport"]),
    ("ArchitectureTests", ["Architecture", "Primitives", "TestSupport"]),
    ("RemoteProtocolTests", ["RemoteProtocol", "Primitives", "TestSupport"]),
    ("DebuggerTests", ["Debugger", "RemoteProtocol", "Architecture", "Interrupts", "Primitives", "TestSupport"]),
    (
        "MachineTests",
        [
            "Machine", "KVM", "CLinux", "Host", "Boot", "Debugger", "Architecture", "Interrupts", "Primitives",
            "TestSupport",
        ]
    ),
    (
        "FuzzTests",
        [
            "RemoteProtocol", "Debugger", "Devices", "Boot", "Architecture", "Interrupts", "KVM", "Machine",
            "Primitives",
            "TestSupport",
        ]
    ),
    ("LiveTests", ["stubvisor", "stubvisor-bench", "Interrupts", "TestSupport"]),
]

func dependencies(_ names: [String]) -> [Target.Dependency] { names.map { .target(name: $0) } }

/// What stands beside the sources and is not compiled.
func documents(of module: String) -> [String] {
    ["Interrupts", "stubvisor-bench"].contains(module) ? ["README.md"] : []
}

/// Millions of steps of random programs are compared in the tests of these: optimised, a twentieth of the time.
let optimized: Set = ["Primitives", "Interrupts", "InterruptsTests"]

func settings(_ name: String) -> [SwiftSetting] {
    optimized.contains(name) ? [.unsafeFlags(["-O"], .when(configuration: .debug))] : []
}

let package = Package(
    name: "stubvisor",
    products: [
        .executable(name: "stubvisor", targets: ["stubvisor"]),
        .executable(name: "stubvisor-bench", targets: ["stubvisor-bench"]),
    ],
    targets: [.systemLibrary(name: "CLinux")]
        + modules.map {
            .target(
                name: $0.name, dependencies: dependencies($0.imports), exclude: documents(of: $0.name),
                swiftSettings: settings($0.name))
        }
        + programs.map {
            .executableTarget(
                name: $0.name, dependencies: dependencies($0.imports), exclude: documents(of: $0.name))
        }
        + [.target(name: "TestSupport", dependencies: ["Boot", "Primitives"], path: "Tests/TestSupport")]
        + tests.map {
            .testTarget(
                name: $0.name, dependencies: dependencies($0.of),
                exclude: ["DebuggerTests", "LiveTests"].contains($0.name) ? ["Transcripts"] : [],
                swiftSettings: settings($0.name))
        },
    swiftLanguageModes: [.v6]
)
