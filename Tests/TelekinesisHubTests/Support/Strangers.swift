import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

enum SharedSecretForTests {
    static func make() throws -> SharedSecret { try SharedSecret(Array("correct horse battery staple".utf8)) }
}

extension Switchboard {
    /// A session as it begins for a connection from elsewhere.
    func stranger() throws -> HubSession {
        let group = try EventLoopGroup(loops: 1)
        return HubSession(self, loop: group.next(), isLocal: false)
    }
}

extension SimulatedNode {
    /// Waits until the hub has decided: authentication may take its time on another thread.
    func welcomed() async throws {
        while welcome == nil {
            if let end { throw end }
            try await Task.sleep(for: .milliseconds(1))
        }
    }
}

/// A clock of seconds that a test moves.
final class Moment: Sendable {
    private let state = Mutex<UInt64>(1_000_000)
    var seconds: UInt64 {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
