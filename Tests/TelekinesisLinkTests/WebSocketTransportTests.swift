import HTTP
import Reactor
import TelekinesisProtocol
import Testing
import WebSocket

@testable import TelekinesisLink

@Suite(.timeLimit(.minutes(1))) struct WebSocketTransportTests {
    let group: EventLoopGroup

    init() throws { group = try EventLoopGroup(loops: 2) }

    @Test func messagesGoBothWaysAndTheCloseIsAnswered() async throws {
        let server = try await Server(group)
        let client = try await server.dial()
        let accepted = try #require(await server.accept())
        #expect(client.transport.subprotocol == ProtocolVersion.subprotocol)
        client.send([1, 2, 3])
        #expect(await accepted.next() == .binary([1, 2, 3]))
        accepted.send([UInt8](repeating: 7, count: 200_000))
        #expect(await client.next() == .binary([UInt8](repeating: 7, count: 200_000)))
        _ = client.transport.send(text: [OutgoingMessage(bytes: Array(repeating: 0, count: 16) + Array("hé".utf8), start: 16)])
        #expect(await accepted.next() == .text("hé"))
        client.transport.close(code: 4001, reason: "done")
        #expect(await accepted.next() == .closed(4001))
        #expect(await client.next() == .closed(4001))
        #expect(client.send([1]), "a message behind the end is dropped")
    }

    @Test func peerThatReadsSlowlyGetsEverythingInOrder() async throws {
        let server = try await Server(group)
        let client = try await server.dial()
        let accepted = try #require(await server.accept())
        var sent = 0
        // Until the connection is full several times over.
        for round in 0..<400 {
            let wasTaken = accepted.send([UInt8(round & 0xFF)] + [UInt8](repeating: UInt8(round & 0xFF), count: 100_000))
            sent += 1
            if !wasTaken { #expect(await accepted.next() == .writable) }
        }
        for round in 0..<sent {
            guard case .binary(let bytes) = await client.next() else {
                Issue.record("no message")
                return
            }
            #expect(bytes.count == 100_001 && bytes.first == UInt8(round & 0xFF) && bytes.last == UInt8(round & 0xFF))
        }
    }

    @Test func connectionThatBreaksIsHeardOnce() async throws {
        let server = try await Server(group)
        let raw = try await server.connect()
        raw.send(upgrade())
        #expect(String(decoding: await raw.next(), as: UTF8.self).hasPrefix("HTTP/1.1 101"))
        let accepted = try #require(await server.accept())
        raw.close()
        #expect(await accepted.next() == .closed(1006))
        #expect(await accepted.next() == nil)
    }

    @Test func offenderIsToldAndOthersAreNotDisturbed() async throws {
        let server = try await Server(group, echoes: true)
        let client = try await server.dial()
        let raw = try await server.connect()
        raw.send(upgrade())
        _ = await raw.next()
        raw.send([0x82, 0x01, 0x00])  // not masked
        let close = await raw.rest()
        #expect(close.count > 4 && close[0] == 0x88 && Array(close[2..<4]) == [0x03, 0xEA])
        client.send([1])
        #expect(await client.next() == .binary([1]))
    }

    @Test func aMessageBeyondTheLimitIsRefusedBeforeItHasCome() async throws {
        let server = try await Server(group)
        let raw = try await server.connect()
        raw.send(upgrade())
        _ = await raw.next()
        let accepted = try #require(await server.accept())
        accepted.transport.limitMessages(to: 1000)
        raw.send(WebSocketEncoder.frame(.binary, [UInt8](repeating: 7, count: 1000), maskKey: 5))
        #expect(await accepted.next() == .binary([UInt8](repeating: 7, count: 1000)))
        accepted.transport.limitMessages(to: 1001)
        raw.send(WebSocketEncoder.frame(.binary, [UInt8](repeating: 8, count: 1001), maskKey: 5))
        #expect(await accepted.next() == .binary([UInt8](repeating: 8, count: 1001)))
        // Only the head of the frame, which tells its size.
        raw.send(Array(WebSocketEncoder.frame(.binary, [UInt8](repeating: 9, count: 1002), maskKey: 5).prefix(8)))
        #expect(await accepted.next() == .closed(1009))
        _ = await raw.rest()
    }

    @Test func floodOfPingsEndsTheConnection() async throws {
        let server = try await Server(group)
        let raw = try await server.connect()
        raw.send(upgrade())
        _ = await raw.next()
        let accepted = try #require(await server.accept())
        raw.send([UInt8]((0..<(10 * ControlBudget.perSecond)).flatMap { _ in [0x89, 0x80, 0, 0, 0, 0] as [UInt8] }))
        #expect(await accepted.next() == .closed(1008))
        _ = await raw.rest()
    }

    @Test func pingIsAnsweredWithItsPayload() async throws {
        let server = try await Server(group)
        let raw = try await server.connect()
        raw.send(upgrade())
        _ = await raw.next()
        raw.send(WebSocketEncoder.frame(.ping, Array("hello".utf8), maskKey: 5))
        #expect(await raw.next() == [0x8A, 5] + Array("hello".utf8))
        raw.close()
    }

    @Test func budgetIsForEachSecond() throws {
        var budget = ControlBudget(now: 0)
        try budget.spend(ControlBudget.perSecond, now: 1)
        try budget.spend(ControlBudget.perSecond, now: 2)
        #expect(throws: WebSocketFailure.self) { try budget.spend(ControlBudget.perSecond + 1, now: 3) }
        budget = ControlBudget(now: 0)
        try budget.spend(ControlBudget.perSecond, now: 1)
        try budget.spend(2 * ControlBudget.perSecond, now: 1_000_000_001)
    }
}

func upgrade(_ changes: String...) -> String {
    let lines = [
        "GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: \(ProtocolVersion.subprotocol)",
    ]
    let kept = lines.filter { line in !changes.contains { $0.prefix { $0 != ":" } == line.prefix { $0 != ":" } } }
    return (kept + changes).map { $0 + "\r\n" }.joined() + "\r\n"
}
