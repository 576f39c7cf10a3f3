import Reactor
import Synchronization
import Telekinesis
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol

/// A hub that is reached by a connection within the process: batches are made and counted as on a socket, and the way has the faults that a test scripts.
final class FaultyHub: HubEndpoint {
    /// Hands frames from one link to another.
    private final class Relay: FrameReceiver {
        private let other = Mutex<(any FrameLink)?>(nil)
        /// Told when the welcome passes: strangers have narrower limits.
        private let welcomed = Mutex<(@Sendable () -> Void)?>(nil)

        func lead(to link: any FrameLink, welcomed: @escaping @Sendable () -> Void = {}) {
            other.withLock { $0 = link }
            self.welcomed.withLock { $0 = welcomed }
        }

        func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
            if frame.type == .welcome { welcomed.withLock { $0 }?() }
            let bytes = [UInt8](frame.bytes)
            other.withLock { $0 }?.send(bytes, lane: frame.type == .data ? .bulk : .urgent, limit: .max)
        }

        func ended(_ link: any FrameLink, _ reason: TelekinesisError) {
            welcomed.withLock { $0 = nil }
            other.withLock { $0.take() }?.close(reason)
        }
    }

    private let hub: Hub
    private let ends = Mutex<(node: InMemoryTransport, hub: InMemoryTransport)?>(nil)
    let eventLoops: EventLoopGroup

    init(_ hub: Hub) throws {
        self.hub = hub
        eventLoops = try EventLoopGroup(loops: 1)
    }

    /// A node behind this.
    func connect() async throws -> Node {
        var configuration = NodeConfiguration()
        configuration.logger = .silent
        return try await Node.connect(to: self, configuration: configuration)
    }

    func join() throws(TelekinesisError) -> LocalLink {
        let towardsHub = try hub.join()
        let (near, far) = LocalLink.pair()
        let loop = eventLoops.next()
        let (nodeEnd, hubEnd) = InMemoryTransport.pair((loop, loop))
        ends.withLock { $0 = (nodeEnd, hubEnd) }
        let (out, arrived, back, returned) = (Relay(), Relay(), Relay(), Relay())
        let nodeLink = Link(nodeEnd, receiver: returned)
        let hubLink = Link(hubEnd, receiver: arrived)
        nodeEnd.start(nodeLink)
        hubEnd.start(hubLink)
        far.start(out)
        towardsHub.start(back)
        out.lead(to: nodeLink)
        arrived.lead(to: towardsHub)
        back.lead(to: hubLink) { hubLink.open() }
        returned.lead(to: far) { nodeLink.open() }
        return near
    }

    /// Nothing is cut any more that is not yet.
    func mend() {
        let ends = ends.withLock { $0 }
        for end in [ends?.node, ends?.hub] { end?.set(ChannelConditions()) }
    }

    /// Cuts the present connection when so many more messages have been sent in one direction.
    func cut(after messages: Int, towardsHub: Bool) {
        guard let ends = ends.withLock({ $0 }) else { return }
        let end = towardsHub ? ends.node : ends.hub
        end.set(ChannelConditions(cutAfter: end.sentMessages + messages))
    }
}
