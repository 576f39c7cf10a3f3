import MessagePack
import Synchronization
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol
import Testing

/// A node reduced to its frames, as a program in another language might be one that knows JSON: it says what a test says, and keeps what it hears.
final class RawNode: FrameReceiver {
    /// A frame that was heard.
    struct Heard: Sendable {
        let type: FrameType?
        let flags: UInt8
        let peer: NodeID
        let call: CallID
        let key: ActorKey
        let count: UInt32
        let body: [UInt8]

        init(_ frame: Frame) {
            type = frame.type
            flags = frame.flags
            peer = frame.peer
            call = frame.call
            key = frame.type == .call || frame.type == .release ? frame.key : .control
            count = frame.type == .release ? frame.count : 0
            body = [UInt8](frame.body)
        }

        /// Of a call, where its parts are.
        var parts: CallBody? { try? CallBody(parsing: body, flags: CallFlags(rawValue: flags)) }
        /// Of a call, its arguments as text.
        var arguments: String { parts.map { String(decoding: body[$0.argumentsStart...], as: UTF8.self) } ?? "?" }
    }

    /// An answer, whole.
    struct Answer: Sendable {
        let flags: ReplyFlags
        let peer: NodeID
        var references: [(node: NodeID, key: ActorKey)] = []
        let encoding: UInt8?
        var bytes: [UInt8]

        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    private struct State {
        var heard: [Heard] = []
        var handshake: NodeHandshake?
        var id = NodeID.hub
        var nextCall: CallID = 1
        var respond: (@Sendable (Heard) -> (flags: ReplyFlags, body: [UInt8])?)?
    }

    private let link: LocalLink
    private let state = Mutex(State())

    init(_ hub: Hub) throws {
        link = try hub.join()
        link.start(self)
        let hello = NodeHello(agent: "test", nonce: [UInt8](repeating: 1, count: 16), methods: [], ticket: nil, maximumValue: nil)
        let handshake = NodeHandshake(hello, credentials: [OpenAccess()])
        state.withLock { $0.handshake = handshake }
        link.send(try handshake.start())
    }

    var id: NodeID { state.withLock { $0.id } }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        if var handshake = state.withLock({ $0.handshake }) {
            guard let action = try? handshake.receive(frame) else { return }
            let next = handshake
            switch action {
            case .send(let proof):
                state.withLock { $0.handshake = next }
                link.send(proof)
            case .opened(let welcome):
                state.withLock { state in
                    state.id = NodeID(rawValue: welcome.node)
                    state.handshake = nil
                }
            }
            return
        }
        let heard = Heard(frame)
        let respond = state.withLock { state in
            state.heard.append(heard)
            return state.respond
        }
        guard heard.type == .call, let (flags, body) = respond?(heard) else { return }
        link.send(FrameWriter.frame(.reply, flags: flags.rawValue, peer: heard.peer, call: heard.call, body: body))
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {}

    // MARK: What it hears

    /// The first frame of a type that comes, or has come. It is forgotten.
    func next(_ type: FrameType, where condition: (Heard) -> Bool = { _ in true }) async throws -> Heard {
        var found: Heard?
        try await eventually {
            found = state.withLock { state in
                guard let index = state.heard.firstIndex(where: { $0.type == type && condition($0) }) else { return nil }
                return state.heard.remove(at: index)
            }
            return found != nil
        }
        return try #require(found)
    }

    /// The answer to a call, with all that follows it.
    func answer(to call: CallID) async throws -> Answer {
        let reply = try await next(.reply) { $0.call == call }
        let flags = ReplyFlags(rawValue: reply.flags)
        var (rest, table) = (reply.body[...], [(node: NodeID, key: ActorKey)]())
        if flags.contains(.references) {
            let parsed = try reply.body.withUnsafeBytes { try ReferenceTable.parse($0) }
            table = parsed.entries
            rest = rest.dropFirst(2 + 24 * table.count)
        }
        var answer = Answer(
            flags: flags, peer: reply.peer, references: table, encoding: rest.first, bytes: [UInt8](rest.dropFirst()))
        var isWhole = !flags.contains(.more)
        while !isWhole {
            let data = try await next(.data) { $0.call == call }
            answer.bytes += data.body
            isWhole = ChannelFlags(rawValue: data.flags).contains(.last)
        }
        return answer
    }

    /// Answers every call from now on.
    func respond(_ body: (@Sendable (Heard) -> (flags: ReplyFlags, body: [UInt8])?)?) { state.withLock { $0.respond = body } }

    /// Answers every call with this value in JSON from now on.
    func respond(_ text: String, _ flags: ReplyFlags = []) { respond { _ in (flags, [Encoding.json.rawValue] + Array(text.utf8)) } }

    // MARK: What it says

    func send(_ frame: [UInt8]) { link.send(frame) }

    /// Calls something.
    ///
    /// - Parameters:
    ///   - method: its name, in front of the arguments.
    ///   - references: what it hands over; node 0 for itself.
    func call(
        _ target: CallAddress, at peer: NodeID = .hub, _ selector: Selector = Selector(rawValue: 0), method: String? = nil,
        _ encoding: Encoding, _ arguments: [UInt8], count: UInt8 = 0, references: [(node: NodeID, key: ActorKey)] = []
    ) throws -> CallID {
        var body = references.isEmpty ? [] : ReferenceTable.bytes(references)
        let fixed = body.count
        body += [UInt8](repeating: 0, count: CallBody.fixedSize)
        body.withUnsafeMutableBytes {
            CallBody.writeFixed(
                UnsafeMutableRawBufferPointer(rebasing: $0[fixed...]), selector: selector.rawValue, signature: 0, encoding: encoding,
                argumentCount: count)
        }
        if let method { body += try MessagePackEncoder().encode(method) }
        body += arguments
        let id = state.withLock { state in
            defer { state.nextCall += 1 }
            return state.nextCall
        }
        var frame = FrameWriter.frame(.call, body: body)
        frame.withUnsafeMutableBytes {
            FrameWriter.call(
                over: $0, flags: references.isEmpty ? [] : .references, peer: peer, call: id, target: target, remaining: 30_000)
        }
        send(frame)
        return id
    }

    /// Calls a method with arguments in JSON, and waits for the answer.
    func ask(
        _ method: String, _ arguments: String, of target: CallAddress = .route(1), at peer: NodeID = .hub,
        references: [(node: NodeID, key: ActorKey)] = []
    ) async throws -> Answer {
        try await answer(
            to: call(target, at: peer, method: method, .json, Array(arguments.utf8), references: references))
    }

    /// Calls a method of the hub.
    func control(_ selector: Selector, _ request: some Encodable) async throws -> Answer {
        let answer = try await answer(
            to: call(.key(.control), selector, .messagePack, MessagePackEncoder().encode(request), count: 1))
        if answer.flags.contains(.isError) {
            throw try MessagePackDecoder().decode(WireError.self, from: answer.bytes).error(ran: answer.flags.ran ?? .maybe)
        }
        return answer
    }

    /// Binds a name to the handle 1.
    func resolve(_ name: String) async throws {
        _ = try await control(HubService.resolve, ResolveRequest(name: ServiceName(name), route: 1, wait: false))
    }

    /// Publishes something that reads JSON only.
    func publish(_ name: String, kind: ServiceKind = .object) async throws -> ActorKey {
        let key = ActorKey.random()
        let request = PublishRequest(name: try ServiceName(name), key: key, kind: kind, sharing: .shared, encoding: .json)
        _ = try await control(HubService.publish, request)
        return key
    }
}
