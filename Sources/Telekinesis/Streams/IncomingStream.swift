internal import MessagePack
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A stream of another node that this one reads: frames of data as they come, until a reader takes them.
final class IncomingStream: Sendable {
    /// What a reader gets next.
    enum Next {
        case elements(MessagePackReader, ReceivedReferences?)
        case end((any Error)?)
    }

    private struct State {
        var flow: StreamInflow
        /// What frames hand over, in the order of the chunks that have something.
        var received: ArraySlice<ReceivedReferences?> = []
        var end: Result<Void, any Error>?
        var reader: UnsafeContinuation<Void, Never>?

        /// Taken, not only removed: the list keeps the memory of what it has lost at its beginning.
        mutating func takeReceived() -> ReceivedReferences? {
            guard let first = received.indices.first else { return nil }
            defer { received.removeFirst() }
            return received[first].take()
        }
    }

    let call: CallID
    private let target: ActorTarget
    private let session: NodeSession
    private let state: Mutex<State>

    init(_ call: CallID, of target: ActorTarget, window: UInt32, session: NodeSession) {
        self.call = call
        self.target = target
        self.session = session
        state = Mutex(State(flow: StreamInflow(window: window, limit: session.configuration.maximumValue)))
    }

    // MARK: Frames that arrive

    /// Elements, or the end.
    ///
    /// - Parameter received: what the elements hand over.
    func received(_ frame: Frame, _ received: ReceivedReferences?, on link: any FrameLink) throws(TelekinesisError) {
        let flags = ChannelFlags(rawValue: frame.flags)
        if flags.contains(.last) {
            guard flags.contains(.isError) else { return end(.success(())) }
            let wire = try? MessagePackDecoder().decode(WireError.self, from: [UInt8](frame.body))
            let error: any Error =
                wire.flatMap { wire in ThrownErrors.decode(wire, decoder: MessagePackDecoder()) ?? wire.error(ran: .yes) }
                ?? TelekinesisError(.badResult, "the stream ended with an error that cannot be read", ran: .yes)
            return end(.failure(error))
        }
        let (grant, reader) = try state.withLock {
            (state) throws(TelekinesisError) -> (UInt32, UnsafeContinuation<Void, Never>?) in
            guard state.end == nil else { return (0, nil) }
            if let received { state.received.append(received) }
            let grant = try state.flow.receive(frame.body, flags)
            return (grant, state.flow.hasChunk ? state.reader.take() : nil)
        }
        if grant > 0 { self.grant(grant, on: link) }
        reader?.resume()
    }

    /// The stream has ended, one way or the other; the first word counts.
    func end(_ result: Result<Void, any Error>) {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            guard state.end == nil else { return nil }
            state.end = result
            return state.reader.take()
        }
        reader?.resume()
    }

    // MARK: The reader

    /// Waits for what there is to read.
    ///
    /// - Throws: `CancellationError` when the reading task is cancelled, and then nobody reads any more.
    nonisolated(nonsending) func next() async throws -> Next {
        while true {
            if let next = try take() { return next }
            await withTaskCancellationHandler {
                await withUnsafeContinuation { continuation in
                    let isReady = state.withLock { state in
                        if state.flow.hasChunk || state.end != nil { return true }
                        state.reader = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                cancel()
            }
        }
    }

    private func take() throws -> Next? {
        let (chunk, received, grant, end) = state.withLock {
            state -> (StreamInflow.Chunk?, ReceivedReferences?, UInt32, Result<Void, any Error>?) in
            guard let (chunk, grant) = state.flow.take() else { return (nil, nil, 0, state.end) }
            return (chunk, chunk.hasReferences ? state.takeReceived() : nil, grant, nil)
        }
        if grant > 0, let link = session.state.withLock({ $0.phase.link }) { self.grant(grant, on: link) }
        guard let chunk else {
            switch end {
            case nil: return nil
            case .success: return .end(nil)
            case .failure(let error): return .end(error)
            }
        }
        let start = chunk.hasReferences ? try chunk.bytes.withUnsafeBytes { try ReferenceTable.parse($0).end } : 0
        return .elements(MessagePackReader(chunk.bytes, in: start..<chunk.bytes.count), received)
    }

    private func grant(_ amount: UInt32, on link: any FrameLink) {
        link.send(FrameWriter.credit(flags: .towardsCaller, peer: target.node, call: call, channel: Channel.stream, amount: amount))
    }

    /// Nobody reads any more: what has come is dropped, and the source is told.
    func cancel() {
        // What ends with them does so outside the lock.
        withExtendedLifetime(
            state.withLock { state in
                defer { state.received = [] }
                return state.received
            }
        ) {}
        end(.failure(CancellationError()))
        session.cancel(call)
    }

    /// Where things that belong to the node find it.
    var home: NodeHome { session.home }

    /// Bytes that wait for the reader.
    var heldBytes: Int { state.withLock { $0.flow.heldBytes } }
}

extension NodeSession {
    /// Asks the source of a stream for its elements.
    func open(_ target: ActorTarget, window: UInt32) -> IncomingStream {
        let id = nextCall.add(1, ordering: .relaxed).oldValue
        let stream = IncomingStream(id, of: target, window: window, session: self)
        var encoder = CallEncoder()
        do {
            try encoder.append(window)
        } catch {
            stream.end(.failure(error))
            return stream
        }
        let frame = encoder.frame(selector: ObjectService.open, signature: 0)
        let call = OutgoingCall(id: id, target: target, flags: [], deadline: .max, frame: frame, now: loop.now)
        state.withLock { $0.streams[id] = stream }
        start(
            call, deadlineWasChosen: true,
            completion: .callback { [self] result in
                state.withLock { _ = $0.streams.removeValue(forKey: id) }
                switch result {
                case .failure(let error): stream.end(.failure(error))
                case .success(let reply): stream.end(reply.flags.contains(.isError) ? .failure(reply.error) : .success(()))
                }
            })
        return stream
    }

    /// Elements of a stream came. A source that breaks the rules ends its stream, and nothing else.
    func elementsCame(_ frame: Frame, on link: any FrameLink) {
        // Also when nobody reads any more: what elements hand over is then given back.
        let received = Result { () throws(TelekinesisError) in try referencesOfElements(in: frame) }
        guard let stream = state.withLock({ $0.streams[frame.call] }), stream.isSource(frame.peer) else { return }
        do throws(TelekinesisError) {
            try stream.received(frame, received.get(), on: link)
        } catch {
            stream.end(.failure(error))
            cancel(frame.call)
        }
        guard ChannelFlags(rawValue: frame.flags).contains(.last) else { return }
        state.withLock { state in
            _ = state.pending.finish(frame.call)
            state.streams[frame.call] = nil
        }
        leaveIfDrainedSoon()
    }

    private func referencesOfElements(in frame: Frame) throws(TelekinesisError) -> ReceivedReferences? {
        let flags = ChannelFlags(rawValue: frame.flags)
        guard flags.contains(.references), !flags.contains(.last) else { return nil }
        do throws(TelekinesisError) {
            let table = try ReferenceTable.parse(frame.body).entries
            guard !table.isEmpty else { throw TelekinesisError(.protocolViolation, "the table of references is empty", ran: .no) }
            return ReceivedReferences(table, from: frame.peer, to: home)
        } catch {
            throw TelekinesisError(.protocolViolation, error.message, cause: error)
        }
    }
}

extension IncomingStream {
    /// Whether a node is the one whose stream this is.
    func isSource(_ node: NodeID) -> Bool { node == target.node }
}
