/// Which trace a call belongs to, and which span of it: the `traceparent` of W3C Trace Context (§3.2), version 00.
public struct TraceContext: Sendable, Hashable, CustomStringConvertible {
    /// The trace, sixteen bytes, not all zero.
    public let traceID: (high: UInt64, low: UInt64)
    /// The span that makes the call, not zero.
    public let spanID: UInt64
    /// Bit 0: the caller may have recorded the trace.
    public let flags: UInt8

    private init(traceID: (high: UInt64, low: UInt64), spanID: UInt64, flags: UInt8) {
        self.traceID = traceID
        self.spanID = spanID
        self.flags = flags
    }

    /// A new trace with a first span.
    ///
    /// - Parameter isSampled: whether whoever follows it should record it.
    public init(isSampled: Bool = true) {
        self.init(
            traceID: (.random(in: 1...UInt64.max), .random(in: 0...UInt64.max)), spanID: .random(in: 1...UInt64.max),
            flags: isSampled ? 1 : 0)
    }

    /// Reads a `traceparent`; `nil` when it is not well-formed. Of later versions the known part is read (§3.2.4).
    public init?(traceparent text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        func word(_ part: Substring.UTF8View.SubSequence, _ count: Int) -> UInt64? {
            guard part.count == count, part.allSatisfy(Self.isDigit) else { return nil }
            return UInt64(Substring(part), radix: 16)
        }
        guard parts.count >= 4, let version = word(parts[0][...], 2), version != 0xff, version != 0 || parts.count == 4,
            parts[1].count == 32,
            let high = word(parts[1].prefix(16), 16), let low = word(parts[1].suffix(16), 16), high != 0 || low != 0,
            let span = word(parts[2][...], 16), span != 0, let flags = word(parts[3][...], 2)
        else { return nil }
        self.init(traceID: (high, low), spanID: span, flags: UInt8(flags))
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    /// A further span of the same trace.
    public var child: TraceContext { TraceContext(traceID: traceID, spanID: .random(in: 1...UInt64.max), flags: flags) }

    /// The `traceparent`.
    public var description: String {
        "00-\(traceID.high.hexadecimal)\(traceID.low.hexadecimal)-\(spanID.hexadecimal)-\(flags.hexadecimal)"
    }

    /// Whether two are the same span of the same trace.
    public static func == (one: Self, other: Self) -> Bool {
        one.traceID == other.traceID && one.spanID == other.spanID && one.flags == other.flags
    }

    /// Adds trace and span.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(traceID.high)
        hasher.combine(traceID.low)
        hasher.combine(spanID)
    }
}

/// Runs an operation whose remote calls belong to a trace; those that they make in turn do as well.
///
/// - Parameters:
///   - trace: by default a new one.
///   - operation: makes the calls; runs where the caller runs.
public nonisolated(nonsending) func withTrace<Result>(
    _ trace: TraceContext = TraceContext(), _ operation: nonisolated(nonsending) () async throws -> Result
) async rethrows -> Result {
    try await CallScope.current.with { $0.trace = trace }.run(operation)
}

/// Runs an operation whose remote calls carry headers, which the methods that are called find in ``CallContext/headers``.
///
/// Headers within others are added to them. They go to the methods that are called, not on to those which these call in turn.
///
/// - Parameters:
///   - headers: at most 64 with at most 8 KiB altogether, or the calls throw ``TelekinesisError`` with code `tooLarge`. Names are tokens, as in HTTP
///     (RFC 9110 §5.6.2), values have no control characters, or the calls throw `badArguments`.
///   - operation: makes the calls; runs where the caller runs.
public nonisolated(nonsending) func withHeaders<Result>(
    _ headers: [String: String], _ operation: nonisolated(nonsending) () async throws -> Result
) async rethrows -> Result {
    try await CallScope.current.with { $0.headers.merge(headers) { $1 } }.run(operation)
}
