internal import MessagePack
internal import Synchronization
internal import TelekinesisProtocol

/// A sequence of elements that one program makes and another one reads, as they come.
///
/// ```swift
/// distributed func ticks() -> RemoteStream<Int> {
///     RemoteStream { send in for n in 0... { try await send(n) } }
/// }
///
/// for try await tick in try await clock.ticks() { print(tick) }
/// ```
///
/// A stream may be the result of a method or an argument, alone or within other values. Nothing is made before somebody reads, and never much more than is
/// read: ``send`` waits for a slow reader. It is read once, by one reader. When the reader stops, the source is cancelled; what the source throws, the reader
/// throws. A stream that nobody holds any more, read or not, is gone at its source.
public struct RemoteStream<Element: Codable & Sendable>: Sendable, Codable {
    /// What sends elements to the reader.
    public struct Sender: Sendable {
        fileprivate enum Way {
            case away(OutgoingStream)
            case here(LocalStream<Element>)
        }

        fileprivate let way: Way

        /// Sends an element; waits while the reader is too far behind.
        ///
        /// - Throws: `CancellationError` when nobody reads any more, and what encoding the element throws.
        public nonisolated(nonsending) func callAsFunction(_ element: Element) async throws {
            switch way {
            case .away(let stream): try await stream.send(element)
            case .here(let stream): try await stream.send(element)
            }
        }
    }

    private enum Core {
        case here(Source)
        case there(ActorTarget, Node)
    }

    /// Makes the elements. It is opened once.
    fileprivate final class Source: Sendable {
        let produce: @Sendable (Sender) async throws -> Void
        let reader = OneReader()
        let export: Export

        init(_ produce: @escaping @Sendable (Sender) async throws -> Void) {
            self.produce = produce
            let published = PublishedStream(
                open: { [reader] stream in
                    try reader.begin()
                    try await produce(Sender(way: .away(stream)))
                },
                local: { [reader] in
                    try reader.begin()
                    return Production(produce: produce)
                })
            export = Export(.stream(published))
        }
    }

    /// What makes the elements, as a value that can be found again.
    private struct Production: Sendable {
        let produce: @Sendable (Sender) async throws -> Void
    }

    private let core: Core
    /// Of a stream of another node; shared by all copies.
    private let reader = OneReader()

    /// A stream whose elements a closure makes.
    ///
    /// - Parameter produce: called when somebody begins to read, with what sends elements; the stream ends when it returns. Cancelled when nobody reads
    ///   any more.
    public init(_ produce: @escaping @Sendable (_ send: Sender) async throws -> Void) { core = .here(Source(produce)) }

    /// The stream whose source is somewhere else.
    init(_ target: ActorTarget, _ node: Node) { core = .there(target, node) }

    /// A stream of the elements of a sequence, such as an `AsyncStream`. It is iterated when somebody begins to read.
    public init<Elements: AsyncSequence & Sendable>(_ elements: Elements) where Elements.Element == Element {
        self.init { send in
            for try await element in elements { try await send(element) }
        }
    }

    /// A stream of elements that are there.
    public init(_ elements: some Sequence<Element> & Sendable) {
        self.init { send in
            for element in elements { try await send(element) }
        }
    }

    /// Writes a reference to the stream.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` outside of a call, and for a stream that comes from another node: only its source can hand it
    ///   over.
    public func encode(to encoder: any Encoder) throws {
        guard case .here(let source) = core else {
            throw TelekinesisError(
                .invalidUse, "a stream that was received cannot be handed on: make one of its elements, RemoteStream(stream)")
        }
        try source.export.encode(to: encoder)
    }

    /// Reads a reference to a stream.
    public init(from decoder: any Decoder) throws {
        switch try IncomingReference(from: decoder) {
        case .remote(let target, let node): core = .there(target, node)
        case .own(_, let callee, _):
            guard case .stream(let stream) = callee.kind, let production = try stream.local() as? Production else {
                throw TelekinesisError(.badArguments, "a stream of \(Element.self) is expected where the message hands over something else")
            }
            core = .here(Source(production.produce))
        case .name(let name, _): throw TelekinesisError(.badArguments, "a stream is expected, and “\(name)” is a name")
        }
    }
}

/// Lets one reader begin.
private final class OneReader: Sendable {
    private let hasBegun = Atomic<Bool>(false)

    func isFirst() -> Bool { !hasBegun.exchange(true, ordering: .relaxed) }

    func begin() throws(TelekinesisError) {
        if !isFirst() { throw TelekinesisError.streamIsRead }
    }
}

extension TelekinesisError {
    static let streamIsRead = TelekinesisError(.invalidUse, "this stream is being read, or was: a stream is read once", ran: .no)
}

extension RemoteStream: AsyncSequence {
    /// Reads a stream, once.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate enum Way {
            case away(StreamReading)
            case here(LocalReading<Element>)
            case refused
        }

        fileprivate let way: Way

        /// The next element; `nil` at the end.
        ///
        /// - Throws: what the source threw, ``TelekinesisError``, `CancellationError`.
        public mutating func next() async throws -> Element? { try await take() }

        /// The next element; `nil` at the end.
        ///
        /// - Throws: what the source threw, ``TelekinesisError``, `CancellationError`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Element? { try await take() }

        nonisolated(nonsending) func take() async throws -> Element? {
            switch way {
            case .away(let reading): try await reading.next(Element.self)
            case .here(let reading): try await reading.next()
            case .refused: throw TelekinesisError.streamIsRead
            }
        }
    }

    /// Begins to read. The second time, reading throws.
    public func makeAsyncIterator() -> Iterator { makeAsyncIterator(window: StreamInflow.defaultWindow) }

    /// Begins to read.
    ///
    /// - Parameter window: how many bytes the source may be ahead of this reader.
    func makeAsyncIterator(window: UInt32) -> Iterator {
        switch core {
        case .here(let source):
            guard source.reader.isFirst() else { return Iterator(way: .refused) }
            return Iterator(way: .here(LocalReading { try await source.produce(Sender(way: .here($0))) }))
        case .there(let target, let node):
            guard reader.isFirst() else { return Iterator(way: .refused) }
            return Iterator(way: .away(StreamReading(node.session.open(target, window: window), target)))
        }
    }

    /// The same stream, read with less or more of it under way.
    ///
    /// - Parameter bytes: how many bytes the source may be ahead of the reader, by default 1 MiB: few for frames that are to be fresh, many for long ways.
    public func buffering(bytes: Int) -> BufferedRemoteStream<Element> {
        BufferedRemoteStream(stream: self, window: UInt32(clamping: Swift.max(1, bytes)))
    }
}

/// A stream that is read with a window of one's own choice; see ``RemoteStream/buffering(bytes:)``.
public struct BufferedRemoteStream<Element: Codable & Sendable>: AsyncSequence, Sendable {
    let stream: RemoteStream<Element>
    let window: UInt32

    /// Begins to read. The second time, reading throws.
    public func makeAsyncIterator() -> RemoteStream<Element>.Iterator { stream.makeAsyncIterator(window: window) }
}

/// Reads a stream of another node. When it goes, the source is told.
private final class StreamReading: @unchecked Sendable {  // An iterator belongs to one task at a time.
    private let stream: IncomingStream
    /// Held while the stream is read.
    private let target: ActorTarget
    private var reader: MessagePackReader?
    private var received: ReceivedReferences?
    private var hasEnded = false
    private let home: NodeHome

    init(_ stream: IncomingStream, _ target: ActorTarget) {
        self.stream = stream
        self.target = target
        home = stream.home
    }

    deinit { if !hasEnded { stream.cancel() } }

    nonisolated(nonsending) func next<Element: Decodable>(_ type: Element.Type) async throws -> Element? {
        while true {
            if reader?.isAtEnd == false {
                do {
                    return try decode(type)
                } catch let needed as FetchNeeded {
                    return try await decode(type, fetching: needed)
                }
            }
            if hasEnded { return nil }
            switch try await stream.next() {
            case .elements(let reader, let received):
                self.reader = reader
                self.received = received
            case .end(let error):
                hasEnded = true
                if let error { throw error }
                return nil
            }
        }
    }

    /// Fetches what the element needs, and reads it.
    @inline(never)
    private nonisolated(nonsending) func decode<Element: Decodable>(
        _ type: Element.Type, fetching needed: FetchNeeded
    ) async throws -> Element? {
        var (needed, fetched) = (needed, FetchedValues?.none)
        do {
            for _ in 0..<FetchNeeded.maximumPasses {
                fetched = try await needed.fetch(into: fetched, on: home, ran: .yes, in: "an element of the stream")
                do {
                    return try decode(type, fetched)
                } catch let next as FetchNeeded {
                    needed = next
                }
            }
            throw FetchNeeded.tooManyKinds(ran: .yes)
        } catch {
            end()
            throw error
        }
    }

    /// What follows is of no interest.
    private func end() {
        guard !hasEnded else { return }
        hasEnded = true
        reader = nil
        stream.cancel()
    }

    /// - Throws: ``FetchNeeded`` when values must be fetched first; then the element is still to be read.
    private func decode<Element: Decodable>(_ type: Element.Type, _ fetched: FetchedValues? = nil) throws -> Element? {
        guard var current = reader.take() else { return nil }
        let start = current.position
        var scope = CodingScope(reading: received, home: .passUnretained(home), fetched: fetched, takesValues: true)
        do {
            let element = try scope.run { try MessagePackDecoder(userInfo: CodingScope.userInfo).decode(type, from: &current) }
            if let request = scope.needed { throw FetchNeeded(request: request) }
            reader = current
            return element
        } catch {
            if let request = scope.needed {
                reader = MessagePackReader(current.bytes, in: start..<current.bytes.count)
                throw FetchNeeded(request: request, message: current.bytes, start: start)
            }
            end()
            let reason = DecodingError.reason(of: error)
            throw TelekinesisError(.badResult, "an element of the stream cannot be read as \(type): \(reason)", ran: .yes, cause: error)
        }
    }
}
