import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// Those who connect and then say nothing, or little, or nothing more: nobody else notices, and they go when the time for the handshake is over.
@Suite(.timeLimit(.minutes(1))) struct IdleConnectionsTests {
    private static let second: UInt64 = 1_000_000_000

    /// What a client does instead of what it should.
    private enum Idler: CaseIterable {
        /// Connects.
        case silent
        /// Sends the head of its request one byte a second.
        case slow
        /// Sends half of it, and that it will send no more.
        case halfClosed
        /// Opens a WebSocket.
        case withoutHello
        /// Declares a message of which only the head comes.
        case withHalfAMessage
        /// Says hello, and does not prove who it is.
        case withoutProof

        var opening: String {
            switch self {
            case .silent: ""
            case .slow: "G"
            case .halfClosed: String(IdleConnectionsTests.upgrade.prefix(60))
            case .withoutHello, .withHalfAMessage, .withoutProof: IdleConnectionsTests.upgrade
            }
        }
    }

    private static let upgrade =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: \(ProtocolVersion.subprotocol)\r\n\r\n"

    @Test func theyGoWhenTheirTimeIsOverAndOthersAreServedMeanwhile() async throws {
        let clock = VirtualClock()
        let group = try EventLoopGroup(loops: 1, clock: .virtual(clock))
        var configuration = HubConfiguration()
        configuration.host = "127.0.0.1"
        configuration.logger = .silent
        let hub = try await Self.start(configuration, on: group)
        let url = try #require(hub.url)
        let clients = try EventLoopGroup(loops: 1)
        defer { clients.shutdown() }
        var idlers: [(kind: Idler, connection: Connection)] = []
        for number in 0..<300 {
            let kind = Idler.allCases[number % Idler.allCases.count]
            let connection = try await Connection.open(to: url, on: clients.next())
            connection.send(Array(kind.opening.utf8))
            switch kind {
            case .halfClosed: connection.endWriting()
            // Binary, masked, 16 KiB.
            case .withHalfAMessage: connection.send([0x82, 0xfe, 0x40, 0x00, 1, 2, 3, 4])
            case .withoutProof: connection.send(try Self.hello())
            case .silent, .slow, .withoutHello: break
            }
            idlers.append((kind, connection))
        }
        // Half of them are sessions to be, and none is one.
        while hub.statistics.arriving < 150 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(hub.statistics.sessions == 0)
        let node = try await SimulatedNode.connected(to: url, on: clients.next())
        try await node.welcomed()
        for step in 1...4 {
            for idler in idlers where idler.kind == .slow { idler.connection.send([Array(Self.upgrade.utf8)[step]]) }
            await clock.advance(by: Self.second)
        }
        // Still there: all but those who have said themselves that nothing more will come.
        while idlers.contains(where: { $0.kind == .halfClosed && !$0.connection.hasEnded }) { try await Task.sleep(for: .milliseconds(1)) }
        #expect(idlers.allSatisfy { $0.kind == .halfClosed || !$0.connection.hasEnded })
        // The goodbyes of those who were to be sessions may take two seconds more.
        await clock.advance(by: Self.second)
        await clock.advance(by: 2 * Self.second)
        while idlers.contains(where: { !$0.connection.hasEnded }) { try await Task.sleep(for: .milliseconds(1)) }
        #expect(hub.statistics.arriving == 0 && hub.statistics.sessions == 1)
        try node.publish("a")
        while node.take(.reply).isEmpty { try await Task.sleep(for: .milliseconds(1)) }
        #expect(node.end == nil)
        await hub.stop()
    }

    /// A hub that only this test finds: a node that another one has left behind may try the port of its own hub for ever, which the system can give to
    /// a hub that comes later; those are all from above this range.
    private static func start(_ configuration: HubConfiguration, on group: EventLoopGroup) async throws -> Hub {
        var configuration = configuration
        for _ in 0..<100 {
            configuration.port = .random(in: 20_000..<32_000)
            if let hub = try? await Hub.start(configuration, on: group) { return hub }
        }
        throw TelekinesisError(.unreachable, "no port is free")
    }

    /// A hello in a masked message, the mask being zero.
    private static func hello() throws -> [UInt8] {
        let hello = NodeHello(agent: "idler", nonce: [UInt8](repeating: 7, count: 32), methods: ["open"], ticket: nil, maximumValue: nil)
        let batch = [UInt8](repeating: 0, count: Batch.headSize) + (try Handshake.frame(.hello, hello))
        return [0x82, 0xfe, UInt8(batch.count >> 8), UInt8(batch.count & 255), 0, 0, 0, 0] + batch
    }
}

/// A connection whose bytes a test writes itself, and whose end it hears.
private final class Connection: StreamHandler {
    private let stream = Mutex<TCPStream?>(nil)
    private let end = Atomic<Bool>(false)

    static func open(to url: String, on loop: EventLoop) async throws -> Connection {
        let connection = Connection()
        let port = UInt16(url.split(separator: ":").last ?? "") ?? 0
        _ = try await TCPStream.dial(host: "127.0.0.1", port: port, on: loop) { stream in
            connection.stream.withLock { $0 = stream }
            return connection
        }
        return connection
    }

    var hasEnded: Bool { end.load(ordering: .acquiring) }

    func send(_ bytes: [UInt8]) {
        guard let stream = stream.withLock({ $0 }) else { return }
        _ = bytes.withUnsafeBytes { stream.write($0) }
    }

    func endWriting() { stream.withLock { $0 }?.shutdownWrite() }

    func received(_ bytes: UnsafeMutableRawBufferPointer) {}
    func writable() {}
    func closed(_ reason: StreamEnd) { end.store(true, ordering: .releasing) }
}
