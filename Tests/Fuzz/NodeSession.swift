import Distributed
import MessagePack
import Reactor
import Synchronization
@testable import Telekinesis
import TelekinesisLink
import TelekinesisProtocol

/// A hub, and three nodes behind it, say to a node whatever they like. Each call that the node makes ends, and when all have gone nothing is left.
///
/// The input is a row of steps: what is said or done, and as many bytes as that takes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = [UInt8](UnsafeBufferPointer(start: data, count: size))
    do {
        try blocking {
            var performance = Performance(bytes)
            try await performance.run()
        }
    } catch {
        preconditionFailure("\(error)")
    }
    return 0
}

/// Tasks that end a moment after their node would be taken for leaks.
@_cdecl("__lsan_is_turned_off")
public func isLeakDetectionOff() -> CInt { 1 }

private let loops: EventLoopGroup = {
    do { return try EventLoopGroup(loops: 1) } catch { preconditionFailure("\(error)") }
}()

/// What the node serves: something of each kind that a call can come to.
private distributed actor Servant {
    init(on node: Node) { actorSystem = node }

    distributed func echo(_ bytes: [UInt8], label: String) -> [UInt8] { bytes + label.utf8 }
    distributed func nested(_ values: [String: [Int?]]) -> [String: [Int?]] { values }
    distributed func hang() async throws { try await Task.sleep(for: .seconds(3600)) }
    distributed func fail() throws { throw TelekinesisError(.invalidUse, "as wished") }
    distributed func large() -> [UInt8] { [UInt8](repeating: 7, count: 200_000) }
    distributed func me() -> Servant { self }
    distributed func keep(_ other: Servant) async throws -> [UInt8] { try await other.echo([1], label: "x") }
    distributed func listen(_ function: RemoteFunction<(Int) -> Int>) async throws -> Int { try await function(1) }
    distributed func numbers(_ count: UInt8) -> RemoteStream<Int> { RemoteStream(0..<Int(count)) }
    distributed func sum(_ stream: RemoteStream<Int>) async throws -> Int {
        var sum = 0
        for try await number in stream { sum &+= number }
        return sum
    }
    distributed func size(of data: StoredData) -> Int { data.count }
    distributed func stored() -> StoredData { StoredData([UInt8](repeating: 7, count: 100_000)) }
    distributed func chat() async throws -> String {
        CallContext.current.report(0.5, "half")
        CallContext.current.log(CallContext.current.headers["a"] ?? "none")
        return try await CallContext.current.ask("well?")
    }
}

private struct Input: Sendable {
    var bytes: ArraySlice<UInt8>
    var isEmpty: Bool { bytes.isEmpty }
    mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }
    mutating func take(_ count: Int) -> [UInt8] {
        defer { bytes = bytes.dropFirst(count) }
        return [UInt8](bytes.prefix(count))
    }
}

/// One input, from the node's arrival to its end.
private struct Performance {
    static let peers = [NodeID(rawValue: 2), NodeID(rawValue: 3), NodeID(rawValue: 4)]
    /// As many as the servant has, and those that all objects have.
    private static let selectors: [UInt64] =
        [
            "echo(_:label:)", "nested(_:)", "hang()", "fail()", "large()", "me()", "keep(_:)", "listen(_:)", "numbers(_:)", "sum(_:)",
            "size(of:)", "stored()", "chat()",
        ].map { Selector(wireName: $0).rawValue }
        + [ObjectService.describe, ObjectService.create, ObjectService.function, ObjectService.open, ObjectService.ping].map(\.rawValue) + [
            0
        ]

    private var input: Input
    private let hub = FuzzHub(on: loops)

    init(_ bytes: [UInt8]) { input = Input(bytes: bytes[...]) }

    mutating func run() async throws {
        var configuration = NodeConfiguration()
        configuration.logger = .silent
        configuration.maximumHeldObjects = 20
        configuration.maximumIncomingCalls = 12
        configuration.maximumCallsPerCaller = 8
        configuration.maximumStreams = 2
        configuration.maximumPartialBytes = 300_000
        let node = try await Node.connect(to: hub, configuration: configuration)
        let servant = Servant(on: node)
        try await node.publish(servant, as: "servant")
        try await node.publish(class: "Servant") { Servant(on: node) }
        try await node.publish(function: "double") { (number: Int) in number &* 2 }
        let calls = Mutex<[Task<Void, Never>]>([])
        while !input.isEmpty { step(node, servant) { call in calls.withLock { $0.append(Task { await call() }) } } }
        for peer in Self.peers { hub.send(FrameWriter.frame(.gone, peer: peer, call: 1)) }
        // Whoever ran may run on for a moment.
        var turns = 0
        while node.session.incoming.counts != [0, 0, 0, 0] {
            await Task.yield()
            turns += 1
            if turns > 1_000 { try await Task.sleep(for: .milliseconds(1)) }
            if turns == 6_000 { fatalError("calls are left: \(node.session.incoming.counts)") }
        }
        await node.close()
        for call in calls.withLock({ $0 }) { await call.value }
        let isEmpty = node.session.state.withLock { $0.pending.count == 0 && $0.uploads.isEmpty && $0.held.isEmpty && $0.streams.isEmpty }
        if !isEmpty { fatalError("the session holds calls that have ended") }
    }

    /// - Parameter make: runs a call of the node's own.
    private mutating func step(_ node: Node, _ servant: Servant, _ make: (@escaping @Sendable () async -> Void) -> Void) {
        let (what, one, two, three) = (input.byte(), input.byte(), input.byte(), input.byte())
        let peer = Self.peers[Int(one) % Self.peers.count]
        let call = CallID(two % 8)
        switch what % 14 {
        case 0, 1: hub.send(callFrame(peer, call, flags: three))
        case 2:
            // An answer to what the node has asked.
            guard let (asked, peer) = hub.popCall(peer) else { return }
            hub.send(FrameWriter.frame(.reply, flags: three, peer: peer, call: asked, body: value()))
        case 3:
            let asked = hub.lastCall.map(\.call) ?? call
            let channel = UInt32(two & 1)
            hub.send(
                FrameWriter.data(
                    flags: ChannelFlags(rawValue: three), peer: peer, call: two & 2 == 0 ? call : asked, channel: channel,
                    bytes: value()[...]))
        case 4:
            let amount = [0, 1, 100, 65_536, 1 << 20, 1 << 30, (1 << 30) + 1, .max] as [UInt32]
            hub.send(
                FrameWriter.credit(
                    flags: ChannelFlags(rawValue: two), peer: peer, call: call, channel: UInt32(three & 1),
                    amount: amount[Int(three >> 1) % 8]))
        case 5: hub.send(FrameWriter.frame(.cancel, peer: peer, call: call))
        case 6: hub.send(FrameWriter.release(key(two), of: peer, count: [0, 1, 2, .max][Int(three) % 4]))
        case 7: hub.send(FrameWriter.share(key(two), of: peer, with: Self.peers[Int(three) % 3]))
        case 8:
            // One who goes may come back, perhaps as somebody else.
            if three & 1 == 0 { hub.send(FrameWriter.frame(.gone, peer: peer, call: 1)) }
            hub.introduce(peer, as: "p\(two)")
        case 9: hub.answerNext(with: value(), isError: three & 1 == 1)
        case 10:
            switch two % 6 {
            case 0: make { _ = try? await node.function("f", as: ((Int) -> RemoteFunction<(Int) -> Int>).self)(1)(2) }
            case 1:
                make {
                    guard let stream = try? await node.function("s", as: (() -> RemoteStream<[String]>).self)() else { return }
                    do { for try await _ in stream {} } catch {}
                }
            case 2: make { _ = try? await node.resolve("o", as: Servant.self).keep(servant) }
            case 3: make { _ = try? await node.class("c", of: Servant.self)().me().large() }
            case 4: make { _ = try? await node.function("l", as: (([UInt8]) -> Int).self)([UInt8](repeating: 1, count: 300_000)) }
            default: make { _ = try? await node.function("d", as: ((StoredData) -> StoredData).self)(StoredData([1])).count }
            }
        case 11:
            guard let type = FrameType(rawValue: one % 20), type != .bye, type != .hello, type != .gone else { return }
            let body = input.take(Int(three % 64))
            hub.send(FrameWriter.frame(type, flags: two, peer: peer, call: call, body: body))
        case 12: hub.send(input.take(Int(one)))
        default: hub.learn(ActorKey(low: UInt64(one), high: UInt64(two)))
        }
    }

    private func key(_ choice: UInt8) -> ActorKey {
        let keys = hub.keys
        return keys.isEmpty || choice > 250 ? ActorKey(low: 1, high: UInt64(choice)) : keys[Int(choice) % keys.count]
    }

    /// A value, well-formed or not, behind the byte of its encoding where it has one.
    private mutating func value() -> [UInt8] {
        let choice = input.byte()
        let bytes = input.take(Int(choice % 32))
        return choice & 0x80 == 0 ? [0] + bytes : choice & 0x40 == 0 ? bytes : [0] + [UInt8](repeating: choice, count: 60_000)
    }

    private mutating func callFrame(_ peer: NodeID, _ call: CallID, flags: UInt8) -> [UInt8] {
        let (target, selector, encoding, size) = (input.byte(), input.byte(), input.byte(), input.byte())
        let flags = CallFlags(rawValue: flags).subtracting(.route)
        var body: [UInt8] = []
        if flags.contains(.resultKey) { body += [input.byte()] + [UInt8](repeating: 0, count: 15) }
        if flags.contains(.metadata) {
            let metadata = input.take(Int(input.byte() % 64))
            body += withUnsafeBytes(of: UInt32(metadata.count).littleEndian) { Array($0) } + metadata
        }
        if flags.contains(.references) { body += input.take(2 + 24 * Int(input.byte() % 3)) }
        var fixed = [UInt8](repeating: 0, count: CallBody.fixedSize)
        fixed.withUnsafeMutableBytes {
            CallBody.writeFixed(
                $0, selector: Self.selectors[Int(selector) % Self.selectors.count], signature: 0,
                encoding: Encoding(rawValue: encoding % 4) ?? .messagePack, argumentCount: encoding >> 4)
        }
        body += fixed + (size == 255 ? [UInt8](repeating: 0xc0, count: 60_000) : input.take(Int(size)))
        var frame = FrameWriter.frame(.call, body: body)
        let key = key(target)
        frame.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: flags, peer: peer, call: call, target: .key(key), remaining: target & 1 == 0 ? .max : 60_000)
        }
        return frame
    }
}

/// A hub reduced to what the input says, but for the handshake and the first answers to the node's own requests.
private final class FuzzHub: HubEndpoint, FrameReceiver {
    private struct State {
        var link: LocalLink?
        var handshake: HubHandshake?
        /// Calls of the node that nobody has answered.
        var calls: [(call: CallID, peer: NodeID)] = []
        /// The keys of what the node serves, and of what it has handed over.
        var keys: [ActorKey] = []
        var nextAnswer: (body: [UInt8], isError: Bool)?
    }

    let eventLoops: EventLoopGroup
    private let state = Mutex(State())

    init(on loops: EventLoopGroup) { eventLoops = loops }

    func join() throws(TelekinesisError) -> LocalLink {
        let (near, far) = LocalLink.pair()
        state.withLock { state in
            state.link = far
            state.handshake = HubHandshake(agent: "fuzz", nonce: [UInt8](repeating: 7, count: 32), method: "open")
        }
        far.start(self)
        return near
    }

    var keys: [ActorKey] { state.withLock { $0.keys } }
    var lastCall: (call: CallID, peer: NodeID)? { state.withLock { $0.calls.last } }

    func popCall(_ peer: NodeID) -> (call: CallID, peer: NodeID)? {
        state.withLock { state in
            guard let (call, asked) = state.calls.popLast() else { return nil }
            // A call by name is answered by whoever the hub says.
            return (call, asked == .hub ? peer : asked)
        }
    }

    func learn(_ key: ActorKey) { state.withLock { if $0.keys.count < 30 { $0.keys.append(key) } } }
    func answerNext(with body: [UInt8], isError: Bool) { state.withLock { $0.nextAnswer = (body, isError) } }
    func send(_ frame: [UInt8]) { state.withLock { $0.link }?.send(frame) }
    func introduce(_ peer: NodeID, as name: String) {
        send(FrameWriter.frame(.peer, peer: peer, body: (try? MessagePackEncoder().encode(Principal(name: name))) ?? []))
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {}

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        switch frame.type {
        case .hello, .proof: try shakeHands(frame, on: link)
        case .call: called(frame, on: link)
        case .reply where ReplyFlags(rawValue: frame.flags).contains(.references):
            for entry in (try? ReferenceTable.parse(frame.body).entries) ?? [] { learn(entry.key) }
        default: break
        }
    }

    private func shakeHands(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        do {
            switch try state.withLock({ try $0.handshake?.receive(frame) }) {
            case nil: break
            case .send(let hello): link.send(hello)
            case .authenticate:
                state.withLock { $0.handshake = nil }
                let welcome = Welcome(
                    node: NodeID(rawValue: 9), principal: .anonymous, ticket: nil, epoch: 1, proof: [], pingInterval: 15, maximumCalls: 100)
                link.send(try Handshake.frame(.welcome, welcome))
                // As any hub does in front of their first frames.
                for peer in Performance.peers { introduce(peer, as: "p") }
            }
        } catch {
            throw error as? TelekinesisError ?? TelekinesisError(.internalError, "\(error)")
        }
    }

    private func called(_ frame: Frame, on link: any FrameLink) {
        let flags = CallFlags(rawValue: frame.flags)
        guard frame.peer == .hub, !flags.contains(.route), frame.key == .control,
            let head = try? CallBody(parsing: frame.body, flags: flags)
        else {
            if let head = try? CallBody(parsing: frame.body, flags: flags), let key = head.resultKey { learn(key) }
            return state.withLock { $0.calls.append((frame.call, frame.peer)) }
        }
        var answer: [UInt8] = [0, 0xc0]
        if head.selector == HubService.publish.rawValue {
            let request = try? MessagePackDecoder().decode(PublishRequest.self, from: [UInt8](frame.body[head.argumentsStart...]))
            if let request { learn(ActorKey(low: request.key[0], high: request.key[1])) }
        } else if let next = state.withLock({ $0.nextAnswer.take() }) {
            let flags = next.isError ? ReplyFlags.error(ran: .no) : []
            link.send(FrameWriter.frame(.reply, flags: flags.rawValue, call: frame.call, body: next.body))
            return
        } else if head.selector == HubService.resolve.rawValue {
            let request = try? MessagePackDecoder().decode(ResolveRequest.self, from: [UInt8](frame.body[head.argumentsStart...]))
            let kind: ServiceKind = request?.name == "o" ? .object : request?.name == "c" ? .class : .function
            answer = [0] + ((try? MessagePackEncoder().encode(ResolveAnswer(kind: kind, sharing: .shared, provider: nil))) ?? [])
        }
        link.send(FrameWriter.frame(.reply, call: frame.call, body: answer))
    }
}
