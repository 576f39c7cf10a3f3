internal import MessagePack
internal import Reactor
internal import Synchronization
internal import TelekinesisLink
internal import TelekinesisProtocol

/// A stream that another node reads: from the producer's elements to frames of data.
///
/// Elements that are sent in one turn of a loop leave together at its end; those of other threads leave as soon as the loop comes to it. So a batch
/// is as large as the producer is fast, and never waits for a further element.
final class OutgoingStream: Flushable {
    private struct State {
        var flow: StreamOutflow
        /// What elements hand over that wait to leave, by a number of their own.
        var references: [Int: OutgoingReferences] = [:]
        var nextReferences = 0
        /// The owners of what the part of this number hands over have been told, whether or not that has left.
        var shared: Int?
        /// What the last elements refer to that is stored, and which the reader may not have read yet.
        var stored: [OutgoingValues] = []
        /// Producers that wait for credit.
        var waiting: [UnsafeContinuation<Void, Never>] = []
        var flushIsDue = false
        var isFlushing = false
        /// The stream ends when all has left, with or without an error.
        var end: (body: [UInt8], flags: ChannelFlags)?
        var hasEnded = false
        /// The reader, or the way to it, is gone: nothing more is sent.
        var isCancelled = false
        /// The reader has gone, and with it what it held. Noted before that is freed.
        var readerHasGone = false
        /// Told when the last frame has left, or never will.
        var finished: CheckedContinuation<Void, Never>?

        /// Whether a producer need not wait.
        var takesMore: Bool { isCancelled || flow.hasRoom && !flow.isFull }
    }

    private let id: IncomingCall.ID
    private let link: any FrameLink
    private let loop: EventLoop
    private let home: NodeHome
    private let state: Mutex<State>
    /// How many elements with stored values may be ahead of the reader.
    private let maximumStored: Int

    /// Whatever its reader says: what it refers to is not lost for that, as stores keep for a while what was let go.
    private static let largestMaximumStored = 32

    init(_ id: IncomingCall.ID, window: UInt32, on link: any FrameLink, loop: EventLoop, home: NodeHome) {
        self.id = id
        self.link = link
        self.loop = loop
        self.home = home
        maximumStored = min(Int(window) / StreamOutflow.costOfStored + 2, Self.largestMaximumStored)
        state = Mutex(State(flow: StreamOutflow(window: window)))
    }

    // MARK: The producer

    /// Sends an element, and waits for credit before that where there is none.
    nonisolated(nonsending) func send<Element: Encodable>(_ element: Element) async throws {
        switch try add(element) {
        case .added: return
        case .hasNoRoom: try await sendWaiting(element)
        case .hasValues(let element): try await store(element)
        }
    }

    private enum Addition {
        case added
        case hasNoRoom
        case hasValues(UnstoredElement)
    }

    /// An element whose values must be stored before it can leave.
    private final class UnstoredElement {
        let bytes: [UInt8]
        let references: OutgoingReferences?
        let values: OutgoingValues

        init(_ bytes: [UInt8], _ references: OutgoingReferences?, _ values: OutgoingValues) {
            self.bytes = bytes
            self.references = references
            self.values = values
        }
    }

    @inline(never)
    private nonisolated(nonsending) func store(_ element: UnstoredElement) async throws {
        var bytes = element.bytes
        try await element.values.store(into: &bytes, on: home.storage, ran: .yes, in: "an element of the stream")
        append(bytes, element.references, element.values)
    }

    private nonisolated(nonsending) func sendWaiting<Element: Encodable>(_ element: Element) async throws {
        var hasYielded = false
        while true {
            if !hasYielded, state.withLock({ $0.flow.isFull }) {
                // Lets the loop send what there is.
                hasYielded = true
                flush()
                await Task.yield()
            } else {
                try await room()
            }
            switch try add(element) {
            case .added: return
            case .hasNoRoom: continue
            case .hasValues(let element): return try await store(element)
            }
        }
    }

    /// Waits until an element could leave at once.
    ///
    /// - Throws: `CancellationError` when nobody reads any more.
    nonisolated(nonsending) func waitForRoom() async throws {
        while try !hasRoom() { try await room() }
    }

    private nonisolated(nonsending) func room() async throws {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.takesMore { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Adds an element to the batch.
    private func add<Element: Encodable>(_ element: Element) throws -> Addition {
        if try addScalar(element) { return .added }
        guard try hasRoom() else { return .hasNoRoom }
        var writer = MessagePackWriter()
        var scope = CodingScope(writing: nil, home: .passUnretained(home), takesValues: true)
        try scope.run { try MessagePackEncoder().encode(element, into: &writer) }
        let references = scope.outgoing
        guard references?.placesAreKnown ?? true else {
            throw TelekinesisError(.invalidUse, "an element holds an object that is still being made: await a call of it first")
        }
        if let values = scope.values { return .hasValues(UnstoredElement(writer.bytes, references, values)) }
        append(writer.bytes, references)
        return .added
    }

    private func append(_ element: [UInt8], _ references: OutgoingReferences?, _ values: OutgoingValues? = nil) {
        let bytes = references.map { $0.table + element } ?? element
        let (flushes, old) = state.withLock { state -> (Bool, OutgoingValues?) in
            var number: Int?
            if let references {
                number = state.nextReferences
                state.references[state.nextReferences] = references
                state.nextReferences += 1
            }
            var old: OutgoingValues?
            if let values {
                if state.stored.count == maximumStored { old = state.stored.removeFirst() }
                state.stored.append(values)
            }
            state.flow.append(bytes, references: number, isStored: values != nil)
            return (Self.flushIsNew(&state), old)
        }
        // Whatever ends with it does so outside the lock.
        withExtendedLifetime(old) {}
        if flushes { scheduleFlush() }
    }

    /// Numbers and the like are written where they are to be: no user's code runs.
    ///
    /// - Returns: `false` for other types, and when there is no room.
    @inline(__always)
    private func addScalar<Element: Encodable>(_ element: Element) throws -> Bool {
        let flushes = try state.withLock { state -> Bool? in
            guard !state.isCancelled else { throw CancellationError() }
            guard state.flow.hasRoom, !state.flow.isFull else { return nil }
            let isScalar = state.flow.append { MessagePackWriter.appendScalar(element, to: &$0) }
            return isScalar ? Self.flushIsNew(&state) : nil
        }
        guard let flushes else { return false }
        if flushes { scheduleFlush() }
        return true
    }

    private func hasRoom() throws -> Bool {
        try state.withLock { state in
            guard !state.isCancelled else { throw CancellationError() }
            return state.takesMore
        }
    }

    private static func flushIsNew(_ state: inout State) -> Bool {
        defer { state.flushIsDue = true }
        return !state.flushIsDue
    }

    private func scheduleFlush() {
        if !EventLoop.flushAtEndOfTick(self) { loop.execute { self.flush() } }
    }

    /// Ends the stream, and waits until everything has left.
    func finish(_ error: (any Error)?) async {
        var body: [UInt8] = []
        var flags: ChannelFlags = [.last, .towardsCaller]
        if let error {
            body = (try? MessagePackEncoder().encode(ThrownErrors.encode(error).wire)) ?? []
            flags.insert(.isError)
        }
        // Why it was made to fail, if it was, is what its reader is told.
        state.withLock { $0.end = $0.end ?? (body, flags) }
        await withCheckedContinuation { continuation in
            state.withLock { $0.finished = continuation }
            flush()
        }
    }

    // MARK: Sending

    /// Sends what there is, as far as there is credit and room.
    func flush() {
        let mine = state.withLock { state in
            state.flushIsDue = false
            guard !state.isFlushing else { return false }
            state.isFlushing = true
            return true
        }
        guard mine else { return }
        while let departure = next() {
            switch (departure, send(departure)) {
            case (.part, .queued): continue
            case (.part, .closed): state.withLock { $0.isCancelled = true }
            case (.end, .queued), (.end, .closed): state.withLock { $0.hasEnded = true }
            case (_, .full):
                state.withLock { state in
                    if case .part(let part, let references) = departure {
                        state.flow.putBack(part)
                        if let number = part.references { state.references[number] = references }
                    }
                    state.isFlushing = false
                }
                _ = loop.schedule(after: OutgoingParts.pause) { [weak self] in self?.flush() }
                return
            }
        }
    }

    private enum Departure {
        case part(StreamOutflow.Part, OutgoingReferences?)
        case end([UInt8], ChannelFlags)
    }

    private func next() -> Departure? {
        let (next, waiting, finished) = state.withLock {
            state -> (Departure?, [UnsafeContinuation<Void, Never>], CheckedContinuation<Void, Never>?) in
            if !state.isCancelled, let part = state.flow.next() {
                return (.part(part, part.references.flatMap { state.references.removeValue(forKey: $0) }), [], nil)
            }
            var end: Departure?
            if let last = state.end, state.isCancelled || state.flow.isEmpty, !state.hasEnded { end = .end(last.body, last.flags) }
            state.isFlushing = end != nil
            let goesOn = state.takesMore
            defer {
                if goesOn { state.waiting = [] }
                if state.hasEnded { state.finished = nil }
            }
            return (end, goesOn ? state.waiting : [], state.hasEnded ? state.finished : nil)
        }
        for continuation in waiting { continuation.resume() }
        finished?.resume()
        return next
    }

    private func send(_ departure: Departure) -> SendOutcome {
        switch departure {
        case .part(let part, let references): send(part, references)
        case .end(let body, let flags): link.sendData(body[...], flags: flags, peer: id.source, call: id.call, channel: Channel.stream)
        }
    }

    private func send(_ part: StreamOutflow.Part, _ references: OutgoingReferences?) -> SendOutcome {
        if let references {
            do throws(TelekinesisError) {
                let (shares, count) = try references.give(to: id.source, in: home.registry)
                if count > 0, state.withLock({ $0.shared != part.references }) {
                    state.withLock { $0.shared = part.references }
                    _ = shares.withUnsafeBytes { link.send($0, count: count, lane: .urgent, patch: .none, limit: QueueLimit.replies) }
                }
            } catch {
                fail(error)
                return .queued
            }
        }
        let outcome = link.sendData(
            part.body, flags: part.flags.union(.towardsCaller), peer: id.source, call: id.call, channel: Channel.stream,
            limit: QueueLimit.data)
        if outcome != .queued || references != nil && state.withLock({ $0.readerHasGone }) {
            references?.takeBack(from: id.source, in: home.registry)
        }
        return outcome
    }

    /// The reader takes more.
    ///
    /// - Throws: `protocolViolation` when it grants what nobody could want.
    func grant(_ amount: UInt32) throws(TelekinesisError) {
        try state.withLock { (state) throws(TelekinesisError) in try state.flow.grant(amount) }
        flush()
    }

    /// The stream ends at once, whatever waits.
    ///
    /// - Parameter error: what its reader is told.
    func fail(_ error: TelekinesisError) {
        let body = (try? MessagePackEncoder().encode(WireError(error))) ?? []
        state.withLock { $0.end = (body, [.last, .towardsCaller, .isError]) }
        cancel()
    }

    /// Nobody reads any more.
    func cancel() {
        state.withLock { $0.isCancelled = true }
        flush()
    }

    /// The reader has gone.
    func loseReader() {
        state.withLock { $0.readerHasGone = true }
        cancel()
    }

    /// Bytes that wait for the reader.
    var waitingBytes: Int { state.withLock { $0.flow.waitingBytes } }
}
