internal import Reactor
internal import TelekinesisProtocol

/// Runs an asynchronous operation from a program that is not asynchronous, and waits for it.
///
/// ```swift
/// let node = try blocking { try await Node.connect() }
/// print(try blocking { try await node.resolve("demo/counter", as: Counter.self).increment(by: 1) })
/// ```
///
/// The calling thread waits, and the operation runs on others. So it must not need the calling thread: code of the main actor cannot run while the main thread waits
/// here, and the two would wait for ever. It cannot be used in asynchronous code, and on the thread of an event loop it refuses.
///
/// - Throws: what the operation throws; ``TelekinesisError`` with code `invalidUse` on the thread of an event loop.
@available(*, noasync, message: "asynchronous code can await the operation itself")
public func blocking<Result: Sendable>(_ operation: @escaping @Sendable () async throws -> Result) throws -> Result {
    guard EventLoop.current == nil else {
        throw TelekinesisError(.invalidUse, "blocking would stop the event loop that this thread runs: await the operation instead")
    }
    let outcome = Outcome<Result>()
    // Owned by this call, which does not return before it.
    Task.detached {
        do {
            outcome.set(.success(try await operation()))
        } catch {
            outcome.set(.failure(error))
        }
    }
    return try outcome.wait().get()
}

/// What comes of an operation, for a thread that waits for it.
private final class Outcome<Success: Sendable>: Sendable {
    private let state = Condition<Swift.Result<Success, any Error>?>(nil)

    func set(_ result: Swift.Result<Success, any Error>) {
        state.withLock { $0 = result }
        state.signal()
    }

    func wait() -> Swift.Result<Success, any Error> { state.wait { $0 } }
}
