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

    @Test func ofAStrangersMessageOnlyWhatItMaySayIsKept() async throws {
        let hub = try await listeningHub()
        let stranger = Stranger()
        let port = try #require(hub.url.flatMap { UInt16($0.split(separator: ":").last ?? "") })
        let stream = try await TCPStream.dial(host: "localhost", port: port, on: hub.eventLoops.next()) { _ in stranger }
        let request = [
            "GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: \(ProtocolVersion.subprotocol)", "", "",
        ]
        _ = Array(request.joined(separator: "\r\n").utf8).withUnsafeBytes { stream.write($0) }
        while !stranger.heard.starts(with: Array("HTTP/1.1 101".utf8)) { try await Task.sleep(for: .milliseconds(1)) }
        // The head of a masked binary message of one byte more than that, and nothing of what is in it.
        let size = LinkLimits().messageBeforeAuthentication + 1
        _ = [0x82, 0xFE, UInt8(size >> 8), UInt8(size & 0xFF), 0, 0, 0, 0].withUnsafeBytes { stream.write($0) }
        while !stranger.hasEnded { try await Task.sleep(for: .milliseconds(1)) }
        // A close frame with the number 1009.
        let frame = try #require(stranger.heard.split(separator: Array("\r\n\r\n".utf8), maxSplits: 1).last)
        #expect(frame.first == 0x88 && Array(frame.dropFirst(2).prefix(2)) == [0x03, 0xF1])
        stream.close()
        // A node that was let in may say more at a time: the calls of one tick travel together.
        let loops = try EventLoopGroup(loops: 1)
        let node = try await SimulatedNode.connected(to: try #require(hub.url), on: loops.next())
        try await node.welcomed()
        try node.control(HubService.list, ListRequest(prefix: String(repeating: "x", count: 2 * size)))
        while node.take(.reply).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        #expect(node.end == nil)
        await hub.stop()
    }

    @Test func portInUseIsSaid() async throws {
        let hub = try await listeningHub()
        let port = try #require(hub.url.flatMap { UInt16($0.split(separator: ":").last ?? "") })
        let error = await #expect(throws: TelekinesisError.self) { try await listeningHub { $0.port = port } }
        #expect(error?.code == .unreachable && error?.message.contains("\(port)") == true)
        await hub.stop()
    }
}

/// A connection whose bytes a test writes itself.
private final class Stranger: StreamHandler {
    private let state = Mutex<(heard: [UInt8], hasEnded: Bool)>(([], false))

    var heard: [UInt8] { state.withLock { $0.heard } }
    /// The hub has ended its side.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    func received(_ bytes: UnsafeMutableRawBufferPointer) { state.withLock { $0.heard += Array(bytes) } }
    func writable() {}
    func closed(_ reason: StreamEnd) { state.withLock { $0.hasEnded = true } }
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
