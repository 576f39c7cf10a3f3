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

extension Hub {
    /// A node that comes from an address, and shows a credential.
    func stranger(from address: String, ticket: [UInt8]? = nil, _ credential: SharedSecret) throws -> SimulatedNode {
        let session = HubSession(board, loop: eventLoops.next(), isLocal: false)
        let (near, far) = LocalLink.pair()
        let node = SimulatedNode(near)
        near.start(node)
        try board.arrive(session)
        far.start(RemoteEnd(session, far, address))
        try node.shakeHands(ticket, [credential])
        return node
    }
}

/// A link within the process that says it comes from elsewhere.
private final class RemoteEnd: FrameLink, FrameReceiver {
    let remoteDescription: String
    private let session: HubSession
    private let link: LocalLink

    init(_ session: HubSession, _ link: LocalLink, _ address: String) {
        self.session = session
        self.link = link
        remoteDescription = address
    }

    func send(_ frames: UnsafeRawBufferPointer, count: Int, lane: Lane, patch: FramePatch, limit: Int) -> SendOutcome {
        link.send(frames, count: count, lane: lane, patch: patch, limit: limit)
    }

    func send(_ head: UnsafeRawBufferPointer, tail: ArraySlice<UInt8>, limit: Int) -> SendOutcome {
        link.send(head, tail: tail, limit: limit)
    }

    func close(_ reason: TelekinesisError) { link.close(reason) }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) { try session.received(frame, on: self) }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) { session.ended(self, reason) }
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
