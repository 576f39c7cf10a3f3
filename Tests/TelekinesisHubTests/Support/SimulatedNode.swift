import MessagePack
import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// A frame that arrived, kept.
struct KeptFrame: Sendable {
    let bytes: [UInt8]

    /// Looks at the frame.
    func read<Result>(_ body: (Frame) throws -> Result) rethrows -> Result? {
        try bytes.withUnsafeBytes { memory in
            guard let frame = try? Frame(checking: memory) else { return nil }
            return try body(frame)
        }
    }

    var type: FrameType? { read { $0.type } ?? nil }
    var peer: NodeID { read { $0.peer } ?? .hub }
    var call: CallID { read { $0.call } ?? 0 }
    var key: ActorKey { read { $0.key } ?? .control }
    var remaining: UInt32 { read { $0.remaining } ?? 0 }
    var flags: UInt8 { read { $0.flags } ?? 0 }
    var body: [UInt8] { read { [UInt8]($0.body) } ?? [] }

    /// The error in a reply.
    var error: TelekinesisError? {
        let flags = ReplyFlags(rawValue: flags)
        guard type == .reply, flags.contains(.isError) else { return nil }
        return try? MessagePackDecoder().decode(WireError.self, from: [UInt8](body.dropFirst())).error(ran: flags.ran ?? .maybe)
    }
}

/// A node reduced to its frames: it does what a test says, and keeps what it hears.
final class SimulatedNode: FrameReceiver {
    struct State {
        var heard: [KeptFrame] = []
        var welcome: Welcome?
        var end: TelekinesisError?
        var handshake: NodeHandshake?
        var nextCall: CallID = 1
        /// What is sent back for each call that arrives.
        var answers: (@Sendable (KeptFrame) -> [UInt8]?)?
    }

    let link: any FrameLink
    let state = Mutex(State())

    /// A node that joins a hub in this process.
    init(_ hub: Hub, ticket: [UInt8]? = nil, credentials: [any Credential] = [OpenAccess()]) throws {
        let local = try hub.join()
        link = local
        local.start(self)
        try shakeHands(ticket, credentials)
    }

    /// A node on any link, that has not said a word yet.
    init(_ link: any FrameLink) { self.link = link }

    /// A node that has not said a word yet.
    init(silentAt hub: Hub) throws {
        let local = try hub.join()
        link = local
        local.start(self)
    }

    /// A node at the far end of a link whose near end belongs to a session.
    init(_ session: HubSession, ticket: [UInt8]? = nil, credentials: [any Credential] = [OpenAccess()]) throws {
        let (near, far) = LocalLink.pair()
        link = near
        near.start(self)
        try session.board.arrive(session)
        far.start(session)
        try shakeHands(ticket, credentials)
    }

    func shakeHands(_ ticket: [UInt8]? = nil, _ credentials: [any Credential] = [OpenAccess()]) throws {
        let nonce = (0..<32).map { _ in UInt8.random(in: 0...255) }
        let hello = NodeHello(agent: "test", nonce: nonce, methods: [], ticket: ticket, maximumValue: nil)
        let handshake = NodeHandshake(hello, credentials: credentials)
        state.withLock { $0.handshake = handshake }
        send(try handshake.start())
    }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let kept = KeptFrame(bytes: [UInt8](frame.bytes))
        let (handshake, answers) = state.withLock { state -> (NodeHandshake?, (@Sendable (KeptFrame) -> [UInt8]?)?) in
            if state.handshake == nil { state.heard.append(kept) }
            return (state.handshake, state.answers)
        }
        if var handshake {
            do {
                let action = try handshake.receive(frame)
                let next = handshake
                switch action {
                case .send(let proof):
                    state.withLock { $0.handshake = next }
                    link.send(proof)
                case .opened(let welcome):
                    state.withLock { state in
                        state.welcome = welcome
                        state.handshake = nil
                    }
                }
            } catch {
                throw error as? TelekinesisError ?? TelekinesisError(.internalError, "\(error)")
            }
        } else if frame.type == .call, let answer = answers?(kept) {
            link.send(answer)
        }
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) { state.withLock { $0.end = reason } }

    // MARK: What it knows

    var id: NodeID { NodeID(rawValue: state.withLock { $0.welcome?.node } ?? 0) }
    var welcome: Welcome? { state.withLock { $0.welcome } }
    var end: TelekinesisError? { state.withLock { $0.end } }

    /// What it heard since it was last asked.
    func take() -> [KeptFrame] {
        state.withLock { state in
            defer { state.heard = [] }
            return state.heard
        }
    }

    /// The frames of one type among them; the others are forgotten.
    func take(_ type: FrameType) -> [KeptFrame] { take().filter { $0.type == type } }

    // MARK: What it says

    @discardableResult
    func send(_ frame: [UInt8], lane: Lane = .urgent) -> SendOutcome { link.send(frame, lane: lane) }

    func close() { link.close(TelekinesisError(.disconnected, "the test ends the connection")) }

    func newCall() -> CallID {
        state.withLock { state in
            defer { state.nextCall += 1 }
            return state.nextCall
        }
    }

    /// Calls something.
    @discardableResult
    func call(
        _ target: CallAddress, at peer: NodeID = .hub, flags: CallFlags = [], id: CallID? = nil, remaining: UInt32 = 30_000,
        body: [UInt8] = [1, 2, 3]
    ) -> CallID {
        let id = id ?? newCall()
        var frame = FrameWriter.frame(.call, body: body)
        frame.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: flags, peer: peer, call: id, target: target, remaining: remaining)
        }
        send(frame)
        return id
    }

    /// Calls a method of the hub.
    @discardableResult
    func control(_ selector: Selector, _ argument: some Encodable, remaining: UInt32 = 30_000) throws -> CallID {
        var body = [UInt8](repeating: 0, count: CallBody.fixedSize)
        body.withUnsafeMutableBytes {
            CallBody.writeFixed($0, selector: selector.rawValue, signature: 0, encoding: .messagePack, argumentCount: 1)
        }
        body += try MessagePackEncoder().encode(argument)
        return call(.key(.control), remaining: remaining, body: body)
    }

    /// The answer to a call, out of what was heard. Other frames are kept.
    func answer(to call: CallID) -> KeptFrame? {
        state.withLock { state in
            guard let index = state.heard.firstIndex(where: { $0.type == .reply && $0.call == call }) else { return nil }
            return state.heard.remove(at: index)
        }
    }

    /// Calls a method of the hub and reads its answer.
    func ask<Answer: Decodable>(_ selector: Selector, _ argument: some Encodable, for: Answer.Type = Answer.self) throws -> Answer {
        let reply = try #require(answer(to: control(selector, argument)))
        if let error = reply.error { throw error }
        return try MessagePackDecoder().decode(Answer.self, from: [UInt8](reply.body.dropFirst()))
    }

    /// The error with which the hub answers.
    func refusal(_ selector: Selector, _ argument: some Encodable) throws -> TelekinesisError? {
        try answer(to: control(selector, argument))?.error
    }

    @discardableResult
    func publish(
        _ name: String, _ sharing: Sharing = .shared, kind: ServiceKind = .object, key: ActorKey = .random(), concurrency: Int? = nil,
        balancing: Balancing? = nil
    ) throws -> ActorKey {
        let request = PublishRequest(
            name: try ServiceName(name), key: key, kind: kind, sharing: sharing, concurrency: concurrency, balancing: balancing)
        if let error = try refusal(HubService.publish, request) { throw error }
        return key
    }

    func withdraw(_ name: String) throws {
        if let error = try refusal(HubService.withdraw, WithdrawRequest(name: ServiceName(name))) { throw error }
    }

    @discardableResult
    func resolve(_ name: String, route: UInt32, wait: Bool = false, sticky: UInt64? = nil) throws -> ResolveAnswer {
        try ask(HubService.resolve, ResolveRequest(name: ServiceName(name), route: route, wait: wait, sticky: sticky))
    }

    @discardableResult
    func reserve(_ name: String, route: UInt32, wait: Bool = false, lease: UInt32 = 10_000) throws -> ReserveAnswer {
        try ask(HubService.reserve, ReserveRequest(name: ServiceName(name), route: route, wait: wait, lease: lease))
    }

    /// Answers a call that arrived.
    func reply(to call: KeptFrame, flags: ReplyFlags = [], body: [UInt8] = [9]) {
        send(FrameWriter.frame(.reply, flags: flags.rawValue, peer: call.peer, call: call.call, body: body))
    }

    /// From now on, every call is answered at once.
    func answerAll() {
        state.withLock { state in
            state.answers = { FrameWriter.frame(.reply, peer: $0.peer, call: $0.call, body: [9]) }
        }
    }
}

extension Hub {
    /// Waits until its loops have done what they were asked to do so far, and what came of that.
    func settle() async {
        for _ in 0..<3 { await withCheckedContinuation { done in eventLoops.next().execute { done.resume() } } }
    }
}

/// A hub without a listener, with one loop.
func startHub(
    _ group: EventLoopGroup? = nil, _ change: (inout HubConfiguration) -> Void = { _ in }
) async throws -> Hub {
    var configuration = HubConfiguration()
    configuration.limits.link.handshake = 120_000_000_000
    configuration.host = nil
    configuration.loops = 1
    configuration.logger = .silent
    change(&configuration)
    if let group { return try await Hub.start(configuration, on: group) }
    return try await Hub.start(configuration)
}
