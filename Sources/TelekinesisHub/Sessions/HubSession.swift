internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// One node's session with the hub. Every frame that arrives passes here once, and is handed on by its head alone.
///
/// This file decides what a frame is for. `HubSession+Handshake` takes nodes in, `+Control` has the hub's own methods, `+RoutedCalls` calls by
/// name, `+Relay` everything that goes from node to node, `+Acquaintance` introductions and farewells.
final class HubSession: FrameReceiver {
    let board: Switchboard
    /// Tells this session from earlier and later ones of the same node.
    let number: UInt64
    /// Runs this session's timers.
    let loop: EventLoop
    /// Whether the node is in the hub's own process.
    let isLocal: Bool
    let tables: Mutex<SessionTables>
    /// The node's id while the session is open, else 0.
    private let identity = Atomic<UInt64>(0)
    /// Bytes of its calls that wait for providers, at whatever names.
    let waitingBytes = Atomic<Int>(0)
    /// Checks a proof; cancelled when the session ends.
    let authentication = Mutex<Task<Void, Never>?>(nil)
    /// Its part of the hub's store; made when it is first used.
    let storing = Mutex<StoreSession?>(nil)

    init(_ board: Switchboard, loop: EventLoop, isLocal: Bool) {
        self.board = board
        number = board.sessionNumber.add(1, ordering: .relaxed).newValue
        self.loop = loop
        self.isLocal = isLocal
        let method = isLocal ? OpenAccess().method : board.authenticator.method
        let handshake = HubHandshake(agent: board.agent, nonce: .random(count: 32), method: method)
        tables = Mutex(SessionTables(handshake, limits: board.limits, now: loop.now))
    }

    /// The node's id; 0 before the session is open and after it has ended.
    var node: NodeID { NodeID(rawValue: identity.load(ordering: .relaxed)) }

    /// The session is open, or no more.
    func setNode(_ node: NodeID) { identity.store(node.rawValue, ordering: .relaxed) }

    func received(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        let node = self.node
        do throws(TelekinesisError) {
            if node == .hub { try shakeHands(frame, on: link) } else { try dispatch(frame, from: node, on: link) }
        } catch {
            board.logger.debug("a session broke the rules", ["node": node.description, "error": error.description])
            finish(error)
            throw error
        }
    }

    @inline(__always)
    private func dispatch(_ frame: Frame, from node: NodeID, on link: any FrameLink) throws(TelekinesisError) {
        switch frame.type {
        case .call:
            if CallFlags(rawValue: frame.flags).contains(.route) {
                try routedCall(frame, from: node, on: link)
            } else if frame.peer != .hub {
                try call(frame, from: node, on: link)
            } else if frame.key == .control {
                try controlCall(frame, from: node, on: link)
            } else {
                try createdCall(frame, from: node, on: link)
            }
        case .reply: reply(frame, from: node, on: link)
        case .data: data(frame, from: node, on: link)
        case .cancel: try cancel(frame, from: node, on: link)
        case .credit: try credit(frame, from: node)
        case .end, .note, .settled: passOn(frame, from: node)
        case .share: try share(frame, from: node, on: link)
        case .release: release(frame, from: node, on: link)
        case .peer: forget(frame)
        case .ping: link.send(FrameWriter.frame(.pong))
        case .pong, .gone, .drain, .replaced, nil: break
        case .bye:
            finish(TelekinesisError(.disconnected, "the node said goodbye", ran: .maybe))
            link.close(TelekinesisError(.disconnected, "goodbye"))
        case .hello, .proof, .welcome:
            throw TelekinesisError(.protocolViolation, "a frame of the handshake in an open session")
        }
    }

    func ended(_ link: any FrameLink, _ reason: TelekinesisError) {
        finish(reason)
    }

    // MARK: What all parts need

    /// Answers a call with an error.
    func refuse(_ call: CallID, _ error: TelekinesisError, peer: NodeID = .hub, on link: any FrameLink) {
        noteReply(link.send(HubReply.error(error, call: call, peer: peer)), on: link)
    }

    /// A reply was sent to the node, or did not fit: none may be lost without a word, and the end of the session is one.
    func noteReply(_ outcome: SendOutcome, on link: any FrameLink) {
        guard outcome == .full else { return }
        let reason = TelekinesisError(
            .overloaded, "slow reader: more than \(QueueLimit.replies / 1024 / 1024) MiB of replies wait", ran: .maybe)
        finish(reason)
        link.close(reason)
    }

    /// Answers a call that names what does not exist. Whoever does so too often has to go.
    func refuseGuess(_ call: CallID, _ error: TelekinesisError, peer: NodeID = .hub, on link: any FrameLink) throws(TelekinesisError) {
        let now = loop.now
        guard tables.withLock({ $0.mayGuess(board.limits, now: now) }) else {
            throw TelekinesisError(.overloaded, "too many calls to what does not exist; the last one: \(error.message)")
        }
        refuse(call, error, peer: peer, on: link)
    }
}
