// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A library module: imports only modules to its left in the list of dependencies, never upwards.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["OneAtATime"], resources: resources, swiftSettings: strict)
}

/// The files of each sample. Each is a program, and thus a target, of its own.
let samples = [
    "Hello": ["Hub", "Provider", "Caller"], "Counter": ["CounterAPI", "Provider", "Caller"], "Workers": ["Worker", "Caller"],
    "Metrics": ["CallMetrics", "Provider", "Caller"],
    "Chat": ["ChatAPI", "Room", "Member"], "Job": ["JobAPI", "Provider", "Caller"],
    "Camera": ["CameraAPI", "Provider", "Viewer"], "Notes": ["NotesAPI", "NotesSQLite", "Provider", "Caller"],
]

/// A program of a sample: one file of its folder.
func sample(_ name: String, _ folder: String, _ file: String, _ dependencies: [Target.Dependency] = ["Telekinesis"]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Samples/\(folder)", exclude: others(folder, file), sources: ["\(file).swift"],
        swiftSettings: strict)
}

/// What the programs of a sample share.
func sampleAPI(_ name: String, _ folder: String, _ dependencies: [Target.Dependency] = ["Telekinesis"]) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Samples/\(folder)", exclude: others(folder, name), sources: ["\(name).swift"],
        swiftSettings: strict)
}

/// The files of a sample's folder that do not belong to the target of one of them.
func others(_ folder: String, _ file: String) -> [String] {
    (samples[folder] ?? []).filter { $0 != file }.map { "\($0).swift" } + ["README.md"]
}

let package = Package(
    name: "telekinesis",
    products: [
        .library(name: "Telekinesis", targets: ["Telekinesis"]),
        .library(name: "TelekinesisHub", targets: ["TelekinesisHub"]),
        .library(name: "MessagePack", targets: ["MessagePack"]),
        .executable(name: "tk", targets: ["tk"]),
    ],
    targets: [
        .target(name: "CSystem"),
        .target(name: "CAllocations"),
        module("Reactor", ["CSystem"]),
        module("MessagePack"),
        module("JSONText", ["MessagePack"]),
        module("HTTP"),
        module("WebSocket", ["HTTP"]),
        module("TelekinesisProtocol", ["MessagePack"]),
        module("TelekinesisLink", ["TelekinesisProtocol", "WebSocket", "HTTP", "Reactor", "CSystem"]),
        module("Telekinesis", ["TelekinesisLink", "TelekinesisProtocol", "MessagePack", "JSONText", "Reactor", "CSystem"]),
        module(
            "TelekinesisHub",
            ["TelekinesisLink", "TelekinesisProtocol", "MessagePack", "JSONText", "WebSocket", "HTTP", "Reactor", "CSystem"]),
        .executableTarget(
            name: "tk",
            dependencies: [
                "Telekinesis", "TelekinesisHub", "TelekinesisProtocol", "MessagePack", "JSONText", "Reactor", "CSystem", "CAllocations",
            ],
            swiftSettings: strict),
        // Echo server and client for the Autobahn cases and for other implementations (see Tests/Interop); no product.
        .executableTarget(
            name: "AutobahnPeer", dependencies: ["TelekinesisLink", "TelekinesisProtocol", "WebSocket", "Reactor"],
            path: "Tests/AutobahnPeer", swiftSettings: strict),

        sample("hello-hub", "Hello", "Hub", ["TelekinesisHub"]),
        sample("hello-provider", "Hello", "Provider"),
        sample("hello-caller", "Hello", "Caller"),
        sampleAPI("CounterAPI", "Counter"),
        sample("counter-provider", "Counter", "Provider", ["CounterAPI", "Telekinesis"]),
        sample("counter-caller", "Counter", "Caller", ["CounterAPI", "Telekinesis"]),
        sample("worker", "Workers", "Worker"),
        sample("workers-caller", "Workers", "Caller"),
        sampleAPI("CallMetrics", "Metrics"),
        sample("metrics-provider", "Metrics", "Provider", ["CallMetrics", "Telekinesis"]),
        sample("metrics-caller", "Metrics", "Caller", ["CallMetrics", "Telekinesis"]),
        sampleAPI("ChatAPI", "Chat"),
        sample("chat-room", "Chat", "Room", ["ChatAPI", "Telekinesis"]),
        sample("chat-member", "Chat", "Member", ["ChatAPI", "Telekinesis"]),
        sampleAPI("JobAPI", "Job"),
        sample("job-provider", "Job", "Provider", ["JobAPI", "Telekinesis"]),
        sample("job-caller", "Job", "Caller", ["JobAPI", "Telekinesis"]),
        sampleAPI("CameraAPI", "Camera"),
        sample("camera-provider", "Camera", "Provider", ["CameraAPI", "Telekinesis"]),
        sample("camera-viewer", "Camera", "Viewer", ["CameraAPI", "Telekinesis"]),
        sampleAPI("NotesAPI", "Notes"),
        sampleAPI("NotesSQLite", "Notes", []),
        sample("notes-provider", "Notes", "Provider", ["NotesAPI", "NotesSQLite", "Telekinesis"]),
        sample("notes-caller", "Notes", "Caller", ["NotesAPI", "Telekinesis"]),

        .target(name: "OneAtATime", path: "Tests/OneAtATime"),
        tests("TkTests", ["tk", "Telekinesis", "TelekinesisHub", "MessagePack"]),
        tests("ReactorTests", ["Reactor", "CSystem"]),
        tests("MessagePackTests", ["MessagePack"]),
        tests("JSONTextTests", ["JSONText", "MessagePack"]),
        tests("HTTPTests", ["HTTP"]),
        tests("WebSocketTests", ["WebSocket", "HTTP"]),
        tests("TelekinesisProtocolTests", ["TelekinesisProtocol", "MessagePack", "JSONText"]),
        tests("TelekinesisLinkTests", ["TelekinesisLink", "TelekinesisProtocol", "WebSocket", "HTTP", "Reactor"]),
        .target(
            name: "MethodFixtures", dependencies: ["Telekinesis", "TelekinesisProtocol"], path: "Tests/MethodFixtures",
            swiftSettings: strict),
        tests("TelekinesisTests", ["Telekinesis", "TelekinesisProtocol", "MessagePack", "Reactor", "MethodFixtures"]),
        .testTarget(name: "NonsendingTests", swiftSettings: strict + [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]),
        tests("TelekinesisHubTests", ["TelekinesisHub", "TelekinesisLink", "TelekinesisProtocol", "MessagePack", "Reactor"]),
        tests("EndToEndTests", ["MessagePack", "Telekinesis", "TelekinesisHub", "TelekinesisLink", "TelekinesisProtocol", "Reactor"]),
    ]
)
