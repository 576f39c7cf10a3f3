import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct ListenerTests {
    private func listeningHub(_ change: (inout HubConfiguration) -> Void = { _ in }) async throws -> Hub {
        try await startHub {
            $0.host = "localhost"
            $0.port = 0
            $0.loops = 2
            change(&$0)
        }
    }

    @Test func nodesFromElsewhereMeetThoseOfTheProcess() async throws {
        let hub = try await listeningHub()
        let url = try #require(hub.url)
        let loops = try EventLoopGroup(loops: 1)
        let provider = try SimulatedNode(hub)
        provider.answerAll()
        try provider.publish("a")
        let caller = try await SimulatedNode.connected(to: url, on: loops.next())
        try await caller.welcomed()
        #expect(caller.welcome?.principal == .anonymous)
        try caller.control(HubService.resolve, ResolveRequest(name: ServiceName("a"), route: 1, wait: false))
        caller.call(.route(1))
        while caller.state.withLock({ $0.heard.filter { $0.type == .reply }.count }) < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(caller.take(.reply).map(\.peer) == [.hub, provider.id])
        let statistics = hub.statistics
        #expect(statistics.sessions == 2 && statistics.openCalls == 0)
        caller.close()
        while hub.statistics.sessions > 1 { try await Task.sleep(for: .milliseconds(1)) }
        await hub.stop()
    }

    @Test func stopClosesConnections() async throws {
        let hub = try await listeningHub()
        let loops = try EventLoopGroup(loops: 1)
        let node = try await SimulatedNode.connected(to: try #require(hub.url), on: loops.next())
        try await node.welcomed()
        await hub.stop()
        while node.end == nil { try await Task.sleep(for: .milliseconds(1)) }
        await #expect(throws: TelekinesisError.self) { try await SimulatedNode.connected(to: hub.url ?? "", on: loops.next()) }
    }

    @Test func openHubIsNotReachableFromElsewhereUnasked() async throws {
        let error = await #expect(throws: TelekinesisError.self) { try await listeningHub { $0.host = "0.0.0.0" } }
        #expect(error?.code == .invalidUse && error?.message.contains("--secret-file") == true)
        await
            (try listeningHub {
                $0.host = "0.0.0.0"
                $0.insecure = true
            }).stop()
        let secret = try SharedSecretForTests.make()
        await
            (try listeningHub {
                $0.host = "0.0.0.0"
                $0.authenticator = secret
            }).stop()
    }

    @Test func portInUseIsSaid() async throws {
        let hub = try await listeningHub()
        let port = try #require(hub.url.flatMap { UInt16($0.split(separator: ":").last ?? "") })
        let error = await #expect(throws: TelekinesisError.self) { try await listeningHub { $0.port = port } }
        #expect(error?.code == .unreachable && error?.message.contains("\(port)") == true)
        await hub.stop()
    }
}

extension SimulatedNode {
    /// A node on a connection.
    static func connected(to url: String, on loop: EventLoop) async throws -> SimulatedNode {
        let relay = LateReceiver()
        var limits = LinkLimits()
        limits.handshake = 120_000_000_000
        let link = try await WebSocketDialer.dial(WebSocketURL(url), on: loop) { [limits] in Link($0, receiver: relay, limits: limits) }
        let node = SimulatedNode(link)
        relay.set(node)
        try node.shakeHands()
        return node
    }
}

/// Hands frames to a receiver that is made after the link.
private final class LateReceiver: FrameReceiver {
    private let receiver = Mutex<(node: SimulatedNode?, end: TelekinesisError?)>((nil, nil))

    /// On a busy machine the link may have ended already.
    func set(_ node: SimulatedNode) {
        let end = receiver.withLock { receiver in
            if receiver.end == nil { receiver.node = node }
            return receiver.end
        }
        if let end { node.ended(node.link, end) }
    }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let node = receiver.withLock { $0.node }
        try node?.received(frame, on: link)
        if node?.welcome != nil { (link as? Link)?.open() }
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {
        let node = receiver.withLock { receiver in
            receiver.end = reason
            return receiver.node.take()
        }
        node?.ended(link, reason)
    }
}
