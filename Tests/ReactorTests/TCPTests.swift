import CSystem
import Glibc
import Synchronization
import Testing

@testable import Reactor

@Suite struct TCPTests {
    @Test(arguments: ["127.0.0.1", "::1", "localhost"])
    func echoComesBack(host: String) async throws {
        let server = try await Loopback(host: host) { EchoPeer() }
        defer { server.stop() }
        let (stream, peer) = try await server.dial(host)
        #expect(server.listener.port != 0)
        #expect(stream.remoteAddress.port == server.listener.port)
        #expect(stream.remoteAddress.isLoopback)
        for round in 0..<100 as Range<UInt8> {
            await peer.write([round, 1, 2])
            #expect(await peer.read(3) == [round, 1, 2])
        }
        stream.close()
        stream.close()
        #expect(await peer.end == .closed)
        #expect(peer.ends == 1)
    }

    /// Some of the addresses of a name are another program's, or not this machine's.
    private func listener(on addresses: [String], port: UInt16, _ group: EventLoopGroup) throws -> TCPListener {
        let addresses = try addresses.map { try #require(SocketAddress(literal: $0, port: port)) }
        return try TCPListener.listen(on: addresses, port: port, group: group) { _ in nil }
    }

    @Test func anAddressThatSomebodyElseHasIsNotPassedOver() throws {
        let group = try EventLoopGroup(loops: 1)
        let other = try listener(on: ["127.0.0.1"], port: 0, group)
        let error = #expect(throws: SystemError.self) { try listener(on: ["127.0.0.2", "127.0.0.1"], port: other.port, group) }
        #expect(error?.number == EADDRINUSE)
        // Nothing is left of the attempt.
        let again = try listener(on: ["127.0.0.2"], port: other.port, group)
        #expect(again.port == other.port)
        again.close()
        other.close()
    }

    @Test func anAddressThatTheMachineDoesNotHaveIsPassedOver() throws {
        let group = try EventLoopGroup(loops: 1)
        // RFC 5737: nobody's.
        let two = try listener(on: ["192.0.2.1", "127.0.0.1", "127.0.0.2"], port: 0, group)
        #expect(two.addresses.count == 2 && Set(two.addresses.map(\.port)) == [two.port])
        two.close()
        let error = #expect(throws: SystemError.self) { try listener(on: ["192.0.2.1"], port: 0, group) }
        #expect(error?.number == EADDRNOTAVAIL)
    }

    @Test func aSlowReaderGetsEverythingByPartialWrites() async throws {
        let server = try await Loopback(loops: 2) { EchoPeer() }
        defer { server.stop() }
        let (stream, peer) = try await server.dial()
        let message = (0..<20_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        async let sent: Void = peer.write(message)
        let echo = await peer.read(message.count)
        await sent
        #expect(echo == message)
        stream.close()
    }

    @Test func severalBuffersAreWrittenInOrder() async throws {
        let server = try await Loopback { EchoPeer() }
        defer { server.stop() }
        let (stream, peer) = try await server.dial()
        let parts = (0..<200).map { part in [UInt8](repeating: UInt8(part), count: part) }
        let joined = parts.flatMap { $0 }
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: joined.count, alignment: 1)
        defer { storage.deallocate() }
        storage.copyBytes(from: joined)
        var buffers: [UnsafeRawBufferPointer] = []
        var offset = 0
        for part in parts {
            buffers.append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(storage)[offset..<offset + part.count]))
            offset += part.count
        }
        #expect(buffers.withUnsafeBufferPointer { stream.write($0) } == joined.count)
        #expect(await peer.read(joined.count) == joined)
    }

    @Test func aPauseLosesNothing() async throws {
        let server = try await Loopback { PausingPeer() }
        defer { server.stop() }
        let (stream, peer) = try await server.dial()
        let start = MonotonicClock.now
        await peer.write([1])
        #expect(await peer.read(1) == [1])
        await peer.write([2, 3])
        stream.shutdownWrite()
        #expect(await peer.read(2) == [2, 3])
        #expect(MonotonicClock.now - start >= PausingPeer.pause)
        // The end has come too.
        #expect(await peer.end == .ended)
    }

    @Test func halfCloseEndsTheStreamAfterItsLastByte() async throws {
        let accepted = Mutex<ClientPeer?>(nil)
        let server = try await Loopback {
            let peer = ClientPeer()
            accepted.withLock { $0 = peer }
            return peer
        }
        defer { server.stop() }
        let (stream, peer) = try await server.dial()
        let message = [UInt8](repeating: 7, count: 1_000_000)
        await peer.write(message)
        stream.shutdownWrite()
        // The other side sees the end, closes, and that is seen here.
        #expect(await peer.end == .ended)
        let other = try #require(accepted.withLock { $0 })
        #expect(await other.end == .ended)
        #expect(await other.read(message.count) == message)
        #expect(other.ends == 1)
    }

    @Test func resetMidStreamIsAFailure() async throws {
        let accepted = Mutex<Peer?>(nil)
        let server = try await Loopback {
            let peer = Peer()
            accepted.withLock { $0 = peer }
            return peer
        }
        defer { server.stop() }
        let socket = tk_stream_socket(AF_INET)
        _ = fcntl(socket, F_SETFL, 0)
        let address = server.listener.addresses[0]
        #expect(address.withSystemAddress { connect(socket, $0, $1) } == 0)
        #expect(send(socket, "abc", 3, 0) == 3)
        var abrupt = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &abrupt, socklen_t(MemoryLayout<linger>.size))
        // The connection must have been accepted before it is reset.
        while accepted.withLock({ $0 }) == nil { try await Task.sleep(for: .milliseconds(1)) }
        Glibc.close(socket)
        let peer = try #require(accepted.withLock { $0 })
        guard case .failed(let error) = await peer.end else {
            Issue.record("not a failure")
            return
        }
        #expect(error.number == ECONNRESET)
    }

    @Test func refusedConnectionSaysSo() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { _ in nil }
        let port = listener.port
        listener.close()
        await #expect {
            _ = try await TCPStream.dial(host: "127.0.0.1", port: port, on: group.next()) { _ in Peer() }
        } throws: { error in
            (error as? SystemError)?.number == ECONNREFUSED && "\(error)".contains("127.0.0.1:\(port)")
        }
    }

    @Test func diallingEndsInTime() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        // A listener whose queue is full answers nobody.
        let socket = tk_stream_socket(AF_INET)
        defer { close(socket) }
        let address = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
        #expect(address.withSystemAddress { bind(socket, $0, $1) } == 0)
        #expect(listen(socket, 0) == 0)
        let port = try #require(SocketAddress.ofSocket(socket)).port
        let fillers = (0..<4).map { _ in tk_stream_socket(AF_INET) }
        defer { for filler in fillers { close(filler) } }
        for filler in fillers { _ = address.with(port: port).withSystemAddress { connect(filler, $0, $1) } }
        await #expect {
            _ = try await TCPStream.dial(host: "127.0.0.1", port: port, on: group.next(), timeout: 30_000_000) { _ in Peer() }
        } throws: { error in
            (error as? SystemError)?.isTimeout == true
        }
        let dialling = Task { try await TCPStream.dial(host: "127.0.0.1", port: port, on: group.next()) { _ in Peer() } }
        dialling.cancel()
        await #expect(throws: SystemError.self) { try await dialling.value }
    }

    @Test func unknownNameSaysSo() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        await #expect {
            _ = try await TCPStream.dial(host: "no-such-name.invalid", port: 1, on: group.next()) { _ in Peer() }
        } throws: { error in
            "\(error)".contains("no-such-name.invalid")
        }
    }

    @Test func refusedByTheServerClosesTheConnection() async throws {
        let group = try EventLoopGroup(loops: 1)
        defer { group.shutdown() }
        let listener = try await TCPListener.listen(host: "127.0.0.1", port: 0, group: group) { _ in nil }
        let peer = Peer()
        _ = try await TCPStream.dial(host: "127.0.0.1", port: listener.port, on: group.next()) { _ in peer }
        #expect(await peer.end == .ended)
    }

    @Test func shutdownEndsEveryStreamOnce() async throws {
        let server = try await Loopback(loops: 2) { EchoPeer() }
        let clients = try EventLoopGroup(loops: 1)
        defer { clients.shutdown() }
        var peers: [ClientPeer] = []
        for _ in 0..<10 { peers.append(try await server.dial(on: clients.next()).1) }
        for peer in peers {
            await peer.write([1])
            #expect(await peer.read(1) == [1])
        }
        server.stop()
        for peer in peers {
            #expect(await peer.end == .ended)
            #expect(peer.ends == 1)
        }
    }

    @Test func thousandsOfConnectionsEchoAtOnce() async throws {
        let server = try await Loopback(loops: 2) { EchoPeer() }
        defer { server.stop() }
        var clients: [(TCPStream, ClientPeer)] = []
        for _ in 0..<2_000 { clients.append(try await server.dial()) }
        await withTaskGroup(of: Bool.self) { group in
            for (index, (_, peer)) in clients.enumerated() {
                group.addTask {
                    let message = [UInt8(truncatingIfNeeded: index), UInt8(truncatingIfNeeded: index >> 8)]
                    await peer.write(message)
                    return await peer.read(2) == message
                }
            }
            for await isEcho in group { #expect(isEcho) }
        }
        for (stream, _) in clients { stream.close() }
        for (_, peer) in clients { #expect(await peer.end == .closed) }
    }

    @Test func blockingWorkRunsOffTheLoopsAndGivesItsErrorBack() async throws {
        let pool = BlockingPool(threads: 2)
        let squares = await withTaskGroup(of: Int.self) { group in
            for number in 0..<100 { group.addTask { await pool.run { number * number } } }
            return await group.reduce(0, +)
        }
        #expect(squares == 328_350)
        await #expect(throws: SystemError.self) {
            try await pool.run { () throws(SystemError) -> Int in throw SystemError(number: ENOENT, operation: "test") }
        }
    }
}
