internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// The source of a stream, its type erased.
struct PublishedStream: Sendable {
    /// Makes the elements for another node; once.
    let open: @Sendable (OutgoingStream) async throws -> Void
    /// The typed closure that makes them, for a stream that has come home; once.
    let local: @Sendable () throws -> any Sendable
}

extension IncomingCall {
    /// Makes the elements of a stream for its reader. The last frame of data is the answer.
    nonisolated(nonsending) func stream(_ source: PublishedStream, in scope: CallScope) async {
        let stream: OutgoingStream
        do throws(TelekinesisError) {
            stream = try owner.begin(self)
        } catch {
            return refuse(error)
        }
        var failure: (any Error)?
        do {
            try await produce(source, stream, in: scope)
        } catch {
            failure = error
        }
        // Many a sequence just ends when it is cancelled: its reader must not take that for the end.
        if failure == nil || failure is CancellationError, isCancelled, owner.isRefusing {
            failure = TelekinesisError(.draining, "the provider of the stream is shutting down", ran: .yes)
        }
        await stream.finish(failure)
        owner.end(self)
    }

    private nonisolated(nonsending) func produce(_ source: PublishedStream, _ stream: OutgoingStream, in scope: CallScope) async throws {
        scope.enter()
        defer { CallScope.leave() }
        try await source.open(stream)
    }
}

extension IncomingCalls {
    /// The streams that others read here.
    struct Streams {
        private(set) var all: [IncomingCall.ID: OutgoingStream] = [:]
        private var counts: [NodeID: Int] = [:]

        var count: Int { all.count }

        /// A reader begins.
        ///
        /// - Throws: `overloaded` when it reads `limit` streams already.
        mutating func insert(_ stream: OutgoingStream, _ id: IncomingCall.ID, limit: Int) throws(TelekinesisError) {
            guard counts[id.source, default: 0] < limit else {
                throw TelekinesisError(.overloaded, "node \(id.source) reads \(limit) streams of this one already: end some", ran: .no)
            }
            all[id] = stream
            counts[id.source, default: 0] += 1
        }

        mutating func remove(_ id: IncomingCall.ID) {
            guard all.removeValue(forKey: id) != nil, let count = counts[id.source] else { return }
            counts[id.source] = count == 1 ? nil : count - 1
        }
    }

    /// A call opens a stream.
    func begin(_ call: IncomingCall) throws(TelekinesisError) -> OutgoingStream {
        let window: UInt32
        do {
            var arguments = try ArgumentBinding.arguments(
                of: PublishedFunction.describe(["UInt32"], name: "$open", result: "stream"), head: call.head, body: call.body, nil, on: node
            )
            window = try arguments.nextArgument()
        } catch {
            throw (error as? Refusal)?.error ?? TelekinesisError(.badArguments, DecodingError.reason(of: error))
        }
        guard window <= StreamOutflow.maximumCredit else {
            throw TelekinesisError(
                .badArguments, "a window of \(window) bytes: a stream is granted at most \(StreamOutflow.maximumCredit) at a time",
                ran: .no)
        }
        let stream = OutgoingStream(call.id, window: window, on: call.link, loop: loop, home: node)
        try state.withLock { (state) throws(TelekinesisError) in
            try state.streams.insert(stream, call.id, limit: configuration.maximumStreams)
        }
        // It may have been cancelled before it was noted.
        if call.isCancelled { stream.cancel() }
        return stream
    }

    /// The last frame of a stream has left.
    func end(_ call: IncomingCall) {
        let waiter = state.withLock { state in
            state.streams.remove(call.id)
            return state.streams.count == 0 ? state.streamsEnded.take() : nil
        }
        remove(call)
        waiter?.run()
    }

    /// The reader of some streams has gone, or of all: they end.
    func loseReaders(where condition: (IncomingCall.ID) -> Bool) {
        let streams = state.withLock { $0.streams.all.filter { condition($0.key) } }
        for stream in streams.values { stream.loseReader() }
    }

    /// Cancels the producers of all streams, and waits until their readers have heard why. Those who do not take what they have asked for hear only that
    /// the provider has gone.
    ///
    /// - Returns: whether there were any.
    func endStreams(atMost limit: Duration) async -> Bool {
        guard state.withLock({ $0.streams.count > 0 }) else { return false }
        await withCheckedContinuation { continuation in
            let once = Once { continuation.resume() }
            let timer = loop.schedule(after: limit.nanoseconds) { once.run() }
            let calls = state.withLock { state in
                if state.streams.count > 0 {
                    state.streamsEnded = Once {
                        timer.cancel()
                        once.run()
                    }
                }
                return state.streams.all.keys.compactMap { state.running[$0.pair] }
            }
            guard !calls.isEmpty else {
                timer.cancel()
                return once.run()
            }
            for call in calls { call.cancel() }
        }
        return true
    }

    /// The reader of a stream takes more. One that breaks the rules loses its stream: other callers of this node have nothing to do with it.
    func creditForStream(_ frame: Frame) {
        let id = IncomingCall.ID(source: frame.peer, call: frame.call)
        let (stream, call) = state.withLock { ($0.streams.all[id], $0.running[id.pair]) }
        do throws(TelekinesisError) {
            try stream?.grant(frame.amount)
        } catch {
            stream?.fail(error)
            call?.cancel()
        }
    }
}
