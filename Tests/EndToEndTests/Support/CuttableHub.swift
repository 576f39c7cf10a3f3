import Reactor
import Synchronization
import Telekinesis
import TelekinesisHub
import TelekinesisLink
import TelekinesisProtocol

/// A hub whose connections a test can cut, hold up, or refuse, frame by frame.
final class CuttableHub: HubEndpoint {
    /// One connection: frames pass from the node to the hub and back.
    final class Line: FrameReceiver {
        private struct State {
            var isHeld = (towardsHub: false, towardsNode: false)
            var kept: [(frame: [UInt8], towardsHub: Bool)] = []
            var hasEnded = false
        }

        let towardsNode: LocalLink
        let towardsHub: LocalLink
        private let state = Mutex(State())

        init(towardsNode: LocalLink, towardsHub: LocalLink) {
            self.towardsNode = towardsNode
            self.towardsHub = towardsHub
            towardsNode.start(self)
            towardsHub.start(self)
        }

        func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
            let isTowardsHub = link === towardsNode
            let bytes = [UInt8](frame.bytes)
            let isHeld = state.withLock { state in
                let isHeld = isTowardsHub ? state.isHeld.towardsHub : state.isHeld.towardsNode
                if isHeld { state.kept.append((bytes, isTowardsHub)) }
                return isHeld
            }
            if !isHeld { (isTowardsHub ? towardsHub : towardsNode).send(bytes) }
        }

        func ended(_ link: any FrameLink, _ reason: TelekinesisError) {
            state.withLock { $0.hasEnded = true }
            (link === towardsNode ? towardsHub : towardsNode).close(reason)
        }

        /// Whether it was neither cut nor closed.
        var isOpen: Bool { state.withLock { !$0.hasEnded } }

        /// From now on nothing passes in these directions.
        func hold(towardsHub: Bool, towardsNode: Bool) { state.withLock { $0.isHeld = (towardsHub, towardsNode) } }

        /// What was held passes, and all that comes. Whatever comes meanwhile passes behind it.
        func letGo() {
            while true {
                let next = state.withLock { state -> (frame: [UInt8], towardsHub: Bool)? in
                    guard state.kept.isEmpty else { return state.kept.removeFirst() }
                    state.isHeld = (false, false)
                    return nil
                }
                guard let next else { return }
                (next.towardsHub ? towardsHub : towardsNode).send(next.frame)
            }
        }

        /// Ends the connection without a word.
        func cut() { towardsNode.close(TelekinesisError(.disconnected, "the test has cut the connection", ran: .maybe)) }
    }

    private struct State {
        var hub: Hub?
        var lines: [Line] = []
        var joins = 0
    }

    private let state: Mutex<State>
    let eventLoops: EventLoopGroup

    convenience init(_ hub: Hub, clock: LoopClock = .monotonic) throws {
        self.init(hub, on: try EventLoopGroup(loops: 1, clock: clock))
    }

    /// - Parameter loops: where nodes behind this work.
    init(_ hub: Hub, on loops: EventLoopGroup) {
        state = Mutex(State(hub: hub))
        eventLoops = loops
    }

    /// A node behind this.
    func connect(_ change: (inout NodeConfiguration) -> Void = { _ in }) async throws -> Node {
        var configuration = NodeConfiguration()
        configuration.logger = .silent
        change(&configuration)
        return try await Node.connect(to: self, configuration: configuration)
    }

    func join() throws(TelekinesisError) -> LocalLink {
        let hub = state.withLock { state in
            state.joins += 1
            return state.hub
        }
        guard let hub else { throw TelekinesisError(.unreachable, "the test lets nobody through") }
        let towardsHub = try hub.join()
        let (near, far) = LocalLink.pair()
        let line = Line(towardsNode: far, towardsHub: towardsHub)
        state.withLock { $0.lines.append(line) }
        return near
    }

    /// The connection made last.
    var line: Line? { state.withLock { $0.lines.last } }

    /// The connections that are open.
    var lines: [Line] {
        state.withLock { state in
            state.lines.removeAll { !$0.isOpen }
            return state.lines
        }
    }

    /// How often a node has tried to join.
    var joins: Int { state.withLock { $0.joins } }

    /// Where new connections lead; `nil`: nowhere.
    func lead(to hub: Hub?) { state.withLock { $0.hub = hub } }
}
