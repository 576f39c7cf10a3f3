import MessagePack
import Reactor
import Synchronization
import TelekinesisLink
import TelekinesisProtocol

@testable import Telekinesis

/// A hub reduced to its frames: it takes a node in, and otherwise says what a test wants.
final class ScriptedHub: HubEndpoint {
    struct State {
        var link: LocalLink?
        var heard: [[UInt8]] = []
        var joins = 0
        /// What is said in answer to a hello in place of the handshake.
        var greeting: [[UInt8]]?
        var isGreetingForAll = false
        /// What nodes are let in with.
        var welcome = Welcome(
            node: NodeID(rawValue: 5), principal: .anonymous, ticket: nil, epoch: 1, proof: [], pingInterval: 15, maximumCalls: 100)
        /// The answer of the hub's method of that selector, in place of `nil`.
        var answers: [UInt64: [UInt8]] = [:]
        /// Run once, when one of the hub's methods of that selector is called.
        var surprises: [UInt64: @Sendable () -> Void] = [:]
    }

    let eventLoops: EventLoopGroup
    private let state = Mutex(State())

    init(clock: LoopClock = .monotonic) throws { eventLoops = try EventLoopGroup(loops: 1, clock: clock) }

    func join() throws(TelekinesisError) -> LocalLink {
        let (near, far) = LocalLink.pair()
        far.start(Ear(self))
        state.withLock { state in
            state.link = far
            state.joins += 1
        }
        return near
    }

    /// The next node that comes hears these frames in place of an answer to its hello.
    func greetNext(with frames: [[UInt8]]) { state.withLock { $0.greeting = frames } }

    /// All nodes hear these frames from now on; `nil`: they are let in again.
    func greetAll(with frames: [[UInt8]]?) {
        state.withLock { state in
            state.greeting = frames
            state.isGreetingForAll = frames != nil
        }
    }

    /// Nodes are let in with this from now on.
    func welcome(_ change: (inout Welcome) -> Void) { state.withLock { change(&$0.welcome) } }

    /// What one of the hub's methods answers from now on.
    func answer(_ selector: Selector, with value: some Encodable) throws {
        let value = try MessagePackEncoder().encode(value)
        state.withLock { $0.answers[selector.rawValue] = value }
    }

    /// Has something happen while the next call of one of the hub's methods is on its way.
    func surprise(_ selector: Selector, with body: @escaping @Sendable () -> Void) {
        state.withLock { $0.surprises[selector.rawValue] = body }
    }

    fileprivate func takeSurprise(_ selector: UInt64) -> (@Sendable () -> Void)? {
        state.withLock { $0.surprises.removeValue(forKey: selector) }
    }

    fileprivate var currentWelcome: Welcome { state.withLock { $0.welcome } }
    fileprivate func answer(_ selector: UInt64) -> [UInt8]? { state.withLock { $0.answers[selector] } }

    var joins: Int { state.withLock { $0.joins } }

    func send(_ frame: [UInt8]) { state.withLock { $0.link }?.send(frame) }

    func cut() { state.withLock { $0.link }?.close(TelekinesisError(.disconnected, "the test cuts the connection")) }

    /// The frames of one type that were heard since the last time; the others are forgotten.
    func take(_ type: FrameType) -> [HeardFrame] { take().filter { $0.type == type } }

    /// The frames that were heard since the last time.
    func take() -> [HeardFrame] {
        state.withLock { state in
            defer { state.heard = [] }
            return state.heard.map(HeardFrame.init)
        }
    }

    /// The first answer to a call of a peer, from now on.
    func answer(to call: CallID) async throws -> HeardFrame { try await find(.reply) { $0.call == call } }

    /// The first frame of a type that satisfies a condition, from now on; what comes before or with it is forgotten.
    func find(_ type: FrameType, where condition: (HeardFrame) -> Bool = { _ in true }) async throws -> HeardFrame {
        var found: HeardFrame?
        try await eventually {
            found = take(type).first(where: condition)
            return found != nil
        }
        guard let found else { throw CancellationError() }
        return found
    }

    /// A call by some peer of a function that the node has published.
    ///
    /// - Parameters:
    ///   - size: how many bytes the first frame's arguments have, where more are to follow.
    ///   - selector: what it means, if not the function.
    func call(
        _ key: ActorKey, id: CallID, from peer: UInt64, remaining: UInt32 = 30_000, size whole: Int = 0, firstOfMany size: Int? = nil,
        selector: Selector = ObjectService.function
    ) {
        var frame = FrameWriter.frame(.call, body: [UInt8](repeating: 0, count: CallBody.fixedSize + (size ?? whole)))
        frame.withUnsafeMutableBytes {
            FrameWriter.call(
                over: $0, flags: size == nil ? [] : .more, peer: NodeID(rawValue: peer), call: id, target: .key(key), remaining: remaining)
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[FrameType.call.headSize...]), selector: selector.rawValue, signature: 0,
                encoding: .messagePack, argumentCount: 0)
        }
        send(frame)
    }

    /// The rest of a call's arguments.
    func finish(_ call: CallID, from peer: UInt64, with bytes: [UInt8] = []) {
        send(FrameWriter.data(flags: .last, peer: NodeID(rawValue: peer), call: call, bytes: bytes[...]))
    }

    /// A peer begins to read a stream that it was given.
    func open(_ key: ActorKey, id: CallID, from peer: UInt64, window: UInt32) {
        var encoder = CallEncoder()
        guard (try? encoder.append(window)) != nil else { return }
        var frame = encoder.frame(selector: ObjectService.open, signature: 0).joined
        frame.withUnsafeMutableBytes {
            FrameWriter.call(over: $0, flags: [], peer: NodeID(rawValue: peer), call: id, target: .key(key), remaining: .max)
        }
        send(frame)
    }

    /// The key of what the node has published last.
    func publishedKey() throws -> ActorKey {
        guard let call = take(.call).last(where: { $0.selector == HubService.publish.rawValue }) else { throw CancellationError() }
        let request: PublishRequest = try call.argument()
        return ActorKey(low: request.key[0], high: request.key[1])
    }

    fileprivate func heard(_ frame: Frame) -> [[UInt8]]? {
        state.withLock { state in
            if frame.type == .hello, let greeting = state.greeting {
                if !state.isGreetingForAll { state.greeting = nil }
                return greeting
            }
            state.heard.append([UInt8](frame.bytes))
            return nil
        }
    }
}

/// The hub's end of one link.
private final class Ear: FrameReceiver {
    private let hub: ScriptedHub
    private let handshake: Mutex<HubHandshake?>

    init(_ hub: ScriptedHub) {
        self.hub = hub
        handshake = Mutex(HubHandshake(agent: "test", nonce: [UInt8](repeating: 7, count: 32), method: "open"))
    }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        if let greeting = hub.heard(frame) { return greeting.forEach { link.send($0) } }
        do {
            let action = try handshake.withLock { try $0?.receive(frame) }
            switch action {
            case nil: answerControl(frame, on: link)
            case .send(let hello): link.send(hello)
            case .authenticate:
                handshake.withLock { $0 = nil }
                link.send(try Handshake.frame(.welcome, hub.currentWelcome))
            }
        } catch {
            throw error as? TelekinesisError ?? TelekinesisError(.internalError, "\(error)")
        }
    }

    /// Every name can be published, and stands for an object.
    private func answerControl(_ frame: Frame, on link: any FrameLink) {
        guard frame.type == .call, frame.peer == .hub, !CallFlags(rawValue: frame.flags).contains(.route), frame.key == .control else {
            return
        }
        let selector = (try? CallBody(parsing: frame.body, flags: []))?.selector ?? 0
        hub.takeSurprise(selector)?()
        let isResolve = selector == HubService.resolve.rawValue
        let answer = ResolveAnswer(kind: .object, sharing: .shared, provider: nil)
        let value = isResolve ? try? MessagePackEncoder().encode(answer) : [0xc0]
        link.send(FrameWriter.frame(.reply, call: frame.call, body: [0] + (hub.answer(selector) ?? value ?? [])))
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {}
}

/// A frame that arrived, kept.
struct HeardFrame {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private func read<Result>(_ body: (Frame) -> Result) -> Result? {
        bytes.withUnsafeBytes { memory in (try? Frame(checking: memory)).map(body) }
    }

    var type: FrameType? { read { $0.type } ?? nil }
    var call: CallID { read { $0.call } ?? 0 }
    var body: [UInt8] { read { [UInt8]($0.body) } ?? [] }
    var callFlags: CallFlags { CallFlags(rawValue: read { $0.flags } ?? 0) }
    var replyFlags: ReplyFlags { ReplyFlags(rawValue: read { $0.flags } ?? 0) }
    var channelFlags: ChannelFlags { ChannelFlags(rawValue: read { $0.flags } ?? 0) }
    /// The key in a release.
    var releasedKey: ActorKey? { read { $0.key } }
    /// The method that a call names.
    var selector: UInt64? { try? CallBody(parsing: body, flags: callFlags.subtracting(.more)).selector }

    /// The argument of a call of the hub's own methods.
    func argument<Argument: Decodable>(_: Argument.Type = Argument.self) throws -> Argument {
        try MessagePackDecoder().decode(Argument.self, from: [UInt8](body.dropFirst(CallBody.fixedSize)))
    }

    /// The error in a reply.
    var error: TelekinesisError? {
        guard type == .reply, replyFlags.contains(.isError) else { return nil }
        return try? MessagePackDecoder().decode(WireError.self, from: [UInt8](body.dropFirst())).error(ran: replyFlags.ran ?? .maybe)
    }
}

/// Waits for something that other threads bring about.
func eventually(within limit: Duration = .seconds(10), _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { throw TelekinesisError(.deadlineExceeded, "this did not come about within \(limit)") }
        await Task.yield()
    }
}

extension Node {
    /// A node at a hub that a test plays.
    static func connect(_ hub: ScriptedHub, _ change: (inout NodeConfiguration) -> Void = { _ in }) async throws -> Node {
        var configuration = NodeConfiguration()
        configuration.logger = .silent
        change(&configuration)
        return try await connect(to: hub, configuration: configuration)
    }
}

extension Node {
    /// Whether no call of another node is under way here, nor anything that is left of one.
    var isUntouched: Bool { session.incoming.counts.allSatisfy { $0 == 0 } }
}
