internal import Synchronization
public import Telekinesis

/// Counts calls, those that failed, and the time they took, by target and method. The same on both sides.
public final class CallMetrics: Sendable {
    private struct Entry {
        var calls = 0
        var failed = 0
        var time = Duration.zero
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// Nothing is counted yet.
    public init() {}

    /// An interceptor.
    public func observe(
        _ call: InterceptedCall, _ next: @Sendable (InterceptedCall) async throws -> CallResult
    ) async throws -> CallResult {
        let start = ContinuousClock.now
        var hasFailed = true
        defer { note("\(call.target) \(call.method)", ContinuousClock.now - start, hasFailed) }
        let result = try await next(call)
        hasFailed = result.isFailure
        return result
    }

    private func note(_ name: String, _ time: Duration, _ hasFailed: Bool) {
        entries.withLock { entries in
            entries[name, default: Entry()].calls += 1
            entries[name, default: Entry()].failed += hasFailed ? 1 : 0
            entries[name, default: Entry()].time += time
        }
    }

    /// One line for each method.
    public var report: String {
        entries.withLock { $0 }.sorted { $0.key < $1.key }.map { name, entry in
            let average = entry.time / entry.calls / .microseconds(1)
            return "\(name): \(entry.calls) calls, \(entry.failed) failed, \(Int(average)) µs each"
        }.joined(separator: "\n")
    }
}
