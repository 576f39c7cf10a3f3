internal import MessagePack
internal import TelekinesisProtocol

/// What the calls of a scope carry besides their arguments. Most calls have none.
struct Baggage: Sendable {
    var trace: TraceContext?
    var headers: [String: String] = [:]
    /// Hears of the progress of the calls, and answers their questions.
    var observer: CallObserver?

    var isEmpty: Bool { trace == nil && headers.isEmpty && observer == nil }

    /// The baggage as it travels: a MessagePack map.
    ///
    /// - Throws: what ``HeaderRules`` says of the headers.
    func metadata(on home: NodeHome) throws(TelekinesisError) -> [UInt8] {
        try HeaderRules.check(headers)
        let keys = observer?.keys(on: home)
        let travelling = CallMetadata(
            trace: trace?.child.description, headers: headers.isEmpty ? nil : headers, report: keys?.report.map(CallMetadata.Key.init),
            ask: keys?.ask.map(CallMetadata.Key.init))
        do {
            return try MessagePackEncoder().encode(travelling)
        } catch {
            throw TelekinesisError(.internalError, "the call's metadata cannot be written: \(error)", cause: error)
        }
    }
}

/// What travels with a call besides its arguments.
struct CallMetadata: Codable, Sendable {
    /// The key of a function of the caller.
    struct Key: Codable, Sendable {
        let key: ActorKey

        init(_ key: ActorKey) { self.key = key }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(
                [UInt8](unsafeUninitializedCapacity: 16) { memory, count in
                    key.store(in: UnsafeMutableRawBufferPointer(memory), at: 0)
                    count = 16
                })
        }

        init(from decoder: any Decoder) throws {
            let bytes = try decoder.singleValueContainer().decode([UInt8].self)
            guard bytes.count == 16 else { throw TelekinesisError(.badArguments, "a key has sixteen bytes") }
            key = bytes.withUnsafeBytes { ActorKey(loading: $0, at: 0) }
        }
    }

    var trace: String?
    var headers: [String: String]?
    /// A function that hears of progress.
    var report: Key?
    /// A function that answers questions.
    var ask: Key?

    init(trace: String?, headers: [String: String]?, report: Key?, ask: Key?) {
        self.trace = trace
        self.headers = headers
        self.report = report
        self.ask = ask
    }

    /// So that it fits into the first frame, with a key for the result and the longest table of references.
    static let maximumBytes = 16_320

    /// Reads what came with a call, from whatever implementation: nothing that breaks the rules gets to a method or an interceptor.
    ///
    /// - Throws: `badArguments` when it cannot be read or is not as it should be, `tooLarge` when there is too much of it.
    init(parsing body: [UInt8], _ range: Range<Int>) throws(TelekinesisError) {
        guard range.count <= Self.maximumBytes else {
            throw TelekinesisError(.tooLarge, "the metadata of a call has at most \(Self.maximumBytes) bytes", ran: .no)
        }
        do {
            var reader = MessagePackReader(body, in: range)
            self = try MessagePackDecoder().decode(CallMetadata.self, from: &reader)
        } catch {
            throw TelekinesisError(
                .badArguments, "the metadata of the call cannot be read: \(DecodingError.reason(of: error))", ran: .no, cause: error)
        }
        if let headers { try HeaderRules.check(headers) }
        if let trace, TraceContext(traceparent: trace) == nil {
            throw TelekinesisError(
                .badArguments, "the trace of the call is no traceparent of W3C Trace Context: 00-<32 hex digits>-<16>-<2>", ran: .no)
        }
    }
}

extension CallScope {
    /// This scope with other baggage.
    func with(_ change: (inout Baggage) -> Void) -> CallScope {
        var scope = self
        var baggage = scope.baggage?.value ?? Baggage()
        change(&baggage)
        scope.baggage = Boxed(baggage)
        return scope
    }

    /// Runs an operation in this scope.
    nonisolated(nonsending) func run<Result>(_ operation: nonisolated(nonsending) () async throws -> Result) async rethrows -> Result {
        try await CallScope.$current.withValue(self, operation: operation)
    }
}

/// A value behind one reference, so that a scope without it is small.
final class Boxed<Value: Sendable>: Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
