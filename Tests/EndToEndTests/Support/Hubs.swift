import Foundation
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol
import Testing

/// A hub on a port of the system's choice.
func startHub(_ change: (inout HubConfiguration) -> Void = { _ in }) async throws -> Hub {
    var configuration = HubConfiguration()
    configuration.host = "127.0.0.1"
    configuration.port = 0
    configuration.loops = 1
    configuration.logger = .silent
    configuration.limits.link.handshake = 120_000_000_000
    change(&configuration)
    return try await Hub.start(configuration)
}

/// A hub on a port that no connection going out can take meanwhile, so that another hub can start there later.
func startHubToBeRestarted(_ change: (inout HubConfiguration) -> Void = { _ in }) async throws -> Hub {
    for _ in 0..<100 {
        let hub = try? await startHub {
            change(&$0)
            $0.port = .random(in: 20_000..<32_000)
        }
        if let hub { return hub }
    }
    throw TelekinesisError(.unreachable, "no port is free")
}

extension Hub {
    /// A node on a connection of its own.
    func connect(_ change: (inout NodeConfiguration) -> Void = { _ in }) async throws -> Node {
        var configuration = NodeConfiguration()
        configuration.logger = .silent
        // Hundreds of tests at once may leave a node no processor for a while.
        configuration.link.handshake = 120_000_000_000
        change(&configuration)
        return try await Node.connect(to: url, configuration: configuration)
    }

    var port: UInt16 { url.flatMap { URL(string: $0)?.port }.map { UInt16($0) } ?? 0 }
}

extension Node {
    /// Whether its session is open.
    var isConnected: Bool { session.state.withLock { if case .open = $0.phase { true } else { false } } }
}

extension Node {
    /// What is under way at this node: calls that await answers, large values that leave, calls that run or arrive, and their bytes.
    var underWay: [Int] {
        let incoming = session.incoming.counts
        return session.state.withLock { [$0.pending.count, $0.uploads.count, $0.held.count] } + incoming
    }

    /// Whether nothing is.
    var isIdle: Bool { underWay.allSatisfy { $0 == 0 } }
}

/// Waits for something that other threads bring about.
func eventually(
    within limit: Duration = .seconds(10), _ location: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else {
            Issue.record("this did not come about within \(limit)", sourceLocation: location)
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// The error that an operation ends with.
func failure(_ location: SourceLocation = #_sourceLocation, of operation: () async throws -> some Any) async throws -> TelekinesisError {
    try await #require(throws: TelekinesisError.self, sourceLocation: location) { _ = try await operation() }
}

/// A directory that lasts as long as a test.
func withTemporaryDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}
