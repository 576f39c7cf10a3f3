internal import Synchronization

/// A stream that is made and read in the same process: elements are handed over as they are.
final class LocalStream<Element: Sendable>: Sendable {
    /// How many elements may wait for the reader.
    private static var capacity: Int { 16 }

    private struct State {
        /// Places that are taken out are empty.
        var elements: ArraySlice<Element?> = []
        var end: Result<Void, any Error>?
        var isCancelled = false
        var reader: UnsafeContinuation<Void, Never>?
        var producers: [UnsafeContinuation<Void, Never>] = []

        var hasRoom: Bool { isCancelled || elements.count < LocalStream.capacity }
    }

    private let state = Mutex(State())

    /// Hands an element over; waits while too many wait.
    nonisolated(nonsending) func send(_ element: Element) async throws {
        while true {
            let (isDone, reader) = try state.withLock { state -> (Bool, UnsafeContinuation<Void, Never>?) in
                guard !state.isCancelled else { throw CancellationError() }
                guard state.hasRoom else { return (false, nil) }
                state.elements.append(element)
                return (true, state.reader.take())
            }
            reader?.resume()
            if isDone { return }
            await withTaskCancellationHandler {
                await withUnsafeContinuation { continuation in
                    let isReady = state.withLock { state in
                        if !state.hasRoom { state.producers.append(continuation) }
                        return state.hasRoom
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                cancel()
            }
        }
    }

    /// Nothing more will come.
    func finish(_ end: Result<Void, any Error>) {
        let reader = state.withLock { state -> UnsafeContinuation<Void, Never>? in
            state.end = state.end ?? end
            return state.reader.take()
        }
        reader?.resume()
    }

    /// The next element; `nil` at the end.
    nonisolated(nonsending) func next() async throws -> Element? {
        while true {
            let (element, end, producers) = state.withLock {
                state -> (Element?, Result<Void, any Error>?, [UnsafeContinuation<Void, Never>]) in
                guard let first = state.elements.indices.first else { return (nil, state.end, []) }
                let element = state.elements[first].take()
                state.elements.removeFirst()
                defer { state.producers = [] }
                return (element, nil, state.producers)
            }
            for producer in producers { producer.resume() }
            if let element { return element }
            if let end {
                try end.get()
                return nil
            }
            await withTaskCancellationHandler {
                await withUnsafeContinuation { continuation in
                    let isReady = state.withLock { state in
                        if !state.elements.isEmpty || state.end != nil { return true }
                        state.reader = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                finish(.failure(CancellationError()))
            }
        }
    }

    /// Nobody reads any more.
    func cancel() {
        let producers = state.withLock { state in
            state.isCancelled = true
            state.elements = []
            defer { state.producers = [] }
            return state.producers
        }
        for producer in producers { producer.resume() }
    }
}

/// Reads a stream of this process. When it goes, the producer is cancelled.
final class LocalReading<Element: Sendable>: Sendable {
    private let stream = LocalStream<Element>()
    /// Owned here: cancelled with the reader.
    private let producer: Task<Void, Never>

    init(_ produce: @escaping @Sendable (LocalStream<Element>) async throws -> Void) {
        producer = Task { [stream] in
            do {
                try await produce(stream)
                stream.finish(.success(()))
            } catch {
                stream.finish(.failure(error))
            }
        }
    }

    deinit {
        stream.cancel()
        producer.cancel()
    }

    nonisolated(nonsending) func next() async throws -> Element? { try await stream.next() }
}
