import MessagePack
import Synchronization
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol

/// Three nodes at one hub say whatever they like. Nobody is called or answered in the name of the hub, and when they have gone nothing is left.
///
/// The input is a row of steps: the node that acts, what it does, and as many bytes as that takes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    var input = Input(bytes: UnsafeBufferPointer(start: data, count: size)[...])
    let nodes = (0..<3).compactMap { _ in try? FuzzNode(hub) }
    precondition(nodes.count == 3)
    while let step = input.byte() { nodes[Int(step) % 3].act(step / 3, &input, nodes) }
    for node in nodes { node.close() }
    var left = hub.statistics
    left.lateFrames = 0
    left.expiredCalls = 0
    precondition(left == HubStatistics())
    return 0
}

private let hub: Hub = {
    let started = Mutex<Hub?>(nil)
    Task {
        var configuration = HubConfiguration()
        configuration.host = nil
        configuration.loops = 1
        configuration.logger = .silent
        configuration.limits.callsPerSession = 8
        configuration.limits.waitingCallsPerName = 4
        let hub = try await Hub.start(configuration)
        started.withLock { $0 = hub }
    }
    while true { if let hub = started.withLock({ $0 }) { return hub } }
}()

private struct Input {
    var bytes: Slice<UnsafeBufferPointer<UInt8>>
    mutating func byte() -> UInt8? { bytes.popFirst() }
    mutating func take(_ count: Int) -> [UInt8] {
        defer { bytes = bytes.dropFirst(count) }
        return [UInt8](bytes.prefix(count))
    }
}

private final class Deaf: FrameReceiver {
    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {}
    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {}
}

private final class FuzzNode: FrameReceiver {
    private struct State {
        var handshake: NodeHandshake?
        var id = NodeID.hub
        var calls: [(peer: NodeID, call: CallID)] = []
    }

    private let link: LocalLink
    private let state = Mutex(State())

    init(_ hub: Hub) throws {
        link = try hub.join()
        link.start(self)
        let hello = NodeHello(agent: "fuzz", nonce: [UInt8](repeating: 7, count: 32), methods: [], ticket: nil, maximumValue: nil)
        let handshake = NodeHandshake(hello, credentials: [OpenAccess()])
        state.withLock { $0.handshake = handshake }
        link.send(try handshake.start())
    }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        guard var handshake = state.withLock({ $0.handshake }) else { return note(frame) }
        do {
            let action = try handshake.receive(frame)
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
        } catch {
            throw TelekinesisError(.internalError, "\(error)")
        }
    }

    private func note(_ frame: Frame) {
        state.withLock { state in
            switch frame.type {
            case .call:
                precondition(frame.peer != .hub && !CallFlags(rawValue: frame.flags).contains(.route))
                state.calls.append((frame.peer, frame.call))
            case .reply where ReplyFlags(rawValue: frame.flags).contains(.routed):
                // The hub's own answers are not those of a provider.
                precondition(frame.peer != .hub)
            default: break
            }
        }
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {}
    func close() { link.close(TelekinesisError(.disconnected, "over")) }
    var id: NodeID { state.withLock { $0.id } }

    func act(_ what: UInt8, _ input: inout Input, _ nodes: [FuzzNode]) {
        let (one, two, three) = (input.byte() ?? 0, input.byte() ?? 0, input.byte() ?? 0)
        let peers = nodes.map(\.id) + [.hub, NodeID(rawValue: 1)]
        let peer = peers[Int(two) % peers.count]
        let call = CallID(three % 16)
        let name = "n\(one % 4)"
        switch what % 10 {
        case 0:
            let sharing = [Sharing.shared, .exclusive, .replace][Int(two) % 3]
            let kind = [ServiceKind.object, .function, .class][Int(three) % 3]
            guard let name = try? ServiceName(name) else { return }
            control(
                HubService.publish, PublishRequest(name: name, key: ActorKey(low: 1, high: UInt64(three)), kind: kind, sharing: sharing),
                100)
        case 1:
            guard let name = try? ServiceName(name) else { return }
            control(HubService.resolve, ResolveRequest(name: name, route: UInt32(two % 8), wait: two & 8 != 0), call)
        case 2:
            guard let name = try? ServiceName(name) else { return }
            control(HubService.withdraw, WithdrawRequest(name: name), call)
        case 3:
            switch two % 4 {
            case 0: control(HubService.watch, WatchRequest(node: peer, after: UInt64(three % 2)), call)
            case 1: control(HubService.watch, WatchRequest(prefix: "n", from: three % 2 == 0 ? nil : name), call)
            default: control(HubService.unbind, UInt32(one % 8), call)
            }
        case 4:
            var body = [UInt8](repeating: two, count: 16)
            body += input.take(Int(two % 8))
            send(flags: CallFlags(rawValue: one), peer: .hub, call, .route(UInt32(two % 8)), body)
        case 5: send(flags: CallFlags(rawValue: one & ~1), peer: peer, call, .key(ActorKey(low: 1, high: UInt64(one))), [])
        case 6:
            guard let (peer, call) = state.withLock({ $0.calls.popLast() }) else { return }
            link.send(FrameWriter.frame(.reply, flags: one, peer: peer, call: call, body: [0, 0xc0]))
        case 7: link.send(FrameWriter.data(flags: ChannelFlags(rawValue: one), peer: peer, call: call, bytes: [1, 2, 3]), lane: .bulk)
        case 8:
            guard let type = FrameType(rawValue: one % 20) else { return }
            link.send(FrameWriter.frame(type, flags: three >> 4, peer: peer, call: call, body: input.take(Int(three % 32))))
        default:
            let frame = input.take(Int(one))
            // Of a connection that has said no more than a hello, or nothing.
            if three & 3 == 3 { return Self.stranger(says: frame, after: three & 4 == 0 ? nil : hello) }
            frame.withUnsafeBytes { _ = link.send($0, count: 1, lane: .urgent, patch: .none, limit: QueueLimit.replies) }
        }
    }

    private var hello: [UInt8]? {
        let hello = NodeHello(agent: "fuzz", nonce: [UInt8](repeating: 7, count: 32), methods: ["open"], ticket: nil, maximumValue: nil)
        return try? Handshake.frame(.hello, hello)
    }

    /// Whoever is not let in takes nothing from the others.
    private static func stranger(says frame: [UInt8], after hello: [UInt8]?) {
        guard let link = try? hub.join() else { return }
        let sessions = hub.statistics.sessions
        link.start(Deaf())
        if let hello { link.send(hello) }
        frame.withUnsafeBytes { _ = link.send($0, count: 1, lane: .urgent, patch: .none, limit: QueueLimit.replies) }
        precondition(hub.statistics.sessions <= sessions + 1)
        link.close(TelekinesisError(.disconnected, "over"))
    }

    private func control(_ selector: Selector, _ argument: some Encodable, _ call: CallID) {
        var body = [UInt8](repeating: 0, count: CallBody.fixedSize)
        body.withUnsafeMutableBytes {
            CallBody.writeFixed($0, selector: selector.rawValue, signature: 0, encoding: .messagePack, argumentCount: 1)
        }
        body += (try? MessagePackEncoder().encode(argument)) ?? []
        send(flags: [], peer: .hub, call, .key(.control), body)
    }

    private func send(flags: CallFlags, peer: NodeID, _ call: CallID, _ target: CallAddress, _ body: [UInt8]) {
        var frame = FrameWriter.frame(.call, body: body)
        frame.withUnsafeMutableBytes { FrameWriter.call(over: $0, flags: flags, peer: peer, call: call, target: target, remaining: 60_000) }
        link.send(frame)
    }
}
