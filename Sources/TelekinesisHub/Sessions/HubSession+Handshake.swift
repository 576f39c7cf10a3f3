internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

extension HubSession {
    /// A frame came before the session was open, or after it has ended.
    func shakeHands(_ frame: Frame, on link: any FrameLink) throws(TelekinesisError) {
        enum Next { case nothing, send([UInt8]), authenticate([UInt8], Challenge, NodeHello) }
        if frame.type == .bye { throw TelekinesisError(.disconnected, "the node said goodbye") }
        let next: Next
        do {
            next = try tables.withLock { tables throws -> Next in
                guard case .handshake(var handshake) = tables.phase else { return .nothing }
                defer { tables.phase = .handshake(handshake) }
                switch try handshake.receive(frame) {
                case .send(let answer): return .send(answer)
                case .authenticate(let proof, let challenge):
                    guard let hello = handshake.hello else { return .nothing }
                    return .authenticate(proof, challenge, hello)
                }
            }
        } catch let error as TelekinesisError {
            throw error
        } catch {
            throw TelekinesisError(.protocolViolation, "the handshake failed", ran: .no, cause: error)
        }
        switch next {
        case .nothing: break
        case .send(let answer): link.send(answer)
        case .authenticate(let proof, let challenge, let hello):
            if isLocal {
                try welcome(Authenticated(principal: Principal(name: "local")), hello, on: link)
            } else if let access = board.authenticator as? OpenAccess {
                try welcome(access.authenticate(proof, for: challenge), hello, on: link)
            } else {
                try authenticate(proof, challenge, hello, on: link)
            }
        }
    }

    /// Asks the authenticator, as a task on the loop: one that computes for long loses the loop, as any job, and waits for no other executor.
    private func authenticate(
        _ proof: [UInt8], _ challenge: Challenge, _ hello: NodeHello, on link: any FrameLink
    ) throws(TelekinesisError) {
        let address = PeerAddress(link.remoteDescription)
        switch address.map({ board.beginAuthentication($0, hello.ticket, now: loop.now) }) ?? .goesOn {
        case .goesOn: break
        case .waits:
            // The end of the handshake's time ends this as well.
            _ = loop.schedule(after: Self.authenticationPause) { [weak self] in
                guard let self, !tables.withLock({ $0.hasEnded }) else { return }
                do throws(TelekinesisError) {
                    try authenticate(proof, challenge, hello, on: link)
                } catch {
                    letNobodyIn(error, on: link)
                }
            }
            return
        case .isRefused:
            throw TelekinesisError(
                .overloaded, "too many nodes at this address have failed to authenticate: try again in a minute", ran: .no)
        }
        let task = Task.detached(executorPreference: loop) { [board, loop] in
            func note(hasFailed: Bool) {
                if let address { board.failedAttempts.withLock { $0.ended(address, hasFailed: hasFailed, now: loop.now) } }
            }
            do {
                let authenticated = try await board.authenticator.authenticate(proof, for: challenge)
                note(hasFailed: false)
                do throws(TelekinesisError) {
                    try self.welcome(authenticated, hello, on: link)
                } catch {
                    self.letNobodyIn(error, on: link)
                }
            } catch {
                let refusal = error as? TelekinesisError ?? TelekinesisError(.unauthenticated, "authentication failed")
                note(hasFailed: refusal.code == .unauthenticated)
                self.letNobodyIn(refusal, on: link)
            }
        }
        authentication.withLock { $0 = task }
    }

    /// How long an attempt waits for the outcome of others, in nanoseconds.
    private static let authenticationPause: Int64 = 50_000_000

    private func letNobodyIn(_ refusal: TelekinesisError, on link: any FrameLink) {
        board.logger.info("a node was not let in", ["from": link.remoteDescription, "reason": refusal.message])
        finish(refusal)
        link.close(refusal)
    }

    /// Takes the node in.
    private func welcome(_ authenticated: Authenticated, _ hello: NodeHello, on link: any FrameLink) throws(TelekinesisError) {
        let principal = authenticated.principal
        let (node, generation) = board.place(hello.ticket, principal)
        let ticket = board.tickets?.issue(node, principal, generation: generation)
        let welcome = Welcome(
            node: node, principal: principal, ticket: ticket, ticketLifetime: ticket.map { _ in Double(TicketOffice.lifetime) },
            epoch: board.epoch, proof: authenticated.hubProof, pingInterval: Double(board.limits.link.pingInterval) / 1e9,
            maximumCalls: board.limits.callsPerSession)
        let frame: [UInt8]
        do {
            frame = try Handshake.frame(.welcome, welcome)
        } catch {
            throw TelekinesisError(.internalError, "the welcome could not be encoded", cause: error)
        }
        let isMine = tables.withLock { tables in
            guard case .handshake = tables.phase else { return false }
            tables.phase = .open(link, principal)
            tables.generation = generation
            return true
        }
        guard isMine else { return }
        (link as? Link)?.open()
        // A session of a node that came back has the floor for as long as it takes to hand the id over.
        board.session(of: node)?.replace()
        // Others find the session once it is in the directory, and the welcome must come before their frames. The node's own frames can come
        // as soon as the welcome has left.
        setNode(node)
        link.send(frame)
        // Of two that came back at the same time, the later one stays.
        board.admit(self, as: node)?.replace()
        // It may have come in while all others were being asked to leave.
        if board.isClosing.load(ordering: .relaxed) { askToLeave() }
        if tables.withLock({ $0.hasEnded }) { board.leave(self, node: node) }
    }

    /// The node has come back on another connection; this one is of the past.
    private func replace() {
        let link = tables.withLock { $0.link }
        let reason = TelekinesisError(.disconnected, "the node has come back on another connection", ran: .maybe)
        finish(reason)
        link?.close(reason)
    }
}

extension Switchboard {
    /// Whether a node may show who it is. One with a ticket has done so before: strangers at its address cannot lock it out.
    func beginAuthentication(_ address: PeerAddress, _ ticket: [UInt8]?, now: UInt64) -> FailedAttempts.Verdict {
        let isKnown = ticket.flatMap { tickets?.isGenuine($0) } == true
        return failedAttempts.withLock { $0.begin(address, isKnown: isKnown, now: now) }
    }

    /// The id that a node gets: the one of its ticket where that is good and newer than what is here, else a fresh one.
    func place(_ ticket: [UInt8]?, _ principal: Principal) -> (NodeID, generation: UInt64) {
        guard let ticket, let tickets, let (node, generation) = tickets.check(ticket, principal) else { return (.random(), 1) }
        if let present = session(of: node), present.tables.withLock({ $0.generation }) > generation { return (.random(), 1) }
        return (node, generation + 1)
    }
}
