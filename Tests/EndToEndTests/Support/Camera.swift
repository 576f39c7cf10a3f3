import Distributed
import Synchronization
@testable import Telekinesis

/// Makes and takes streams.
distributed actor Camera {
    private let watch: Watch?
    private let sent: Count?
    private var source: AsyncStream<Int>.Continuation?

    init(on node: Node, _ watch: Watch? = nil, sent: Count? = nil) {
        actorSystem = node
        self.watch = watch
        self.sent = sent
    }

    distributed func numbers(to end: Int) -> RemoteStream<Int> { RemoteStream(0..<end) }

    /// Goes on until nobody reads any more.
    distributed func endless() -> RemoteStream<Int> {
        RemoteStream { [watch, sent] send in
            watch?.entered()
            defer { watch?.cancelled() }
            for number in 0... {
                try await send(number)
                sent?.add(1)
            }
        }
    }

    distributed func frames(of size: Int, count: Int) -> RemoteStream<[UInt8]> {
        RemoteStream { [sent] send in
            for number in 0..<count {
                try await send([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size))
                sent?.add(1)
            }
        }
    }

    distributed func failing(after count: Int) -> RemoteStream<String> {
        RemoteStream { send in
            for number in 0..<count { try await send("\(number)") }
            throw Trouble(message: "film is out")
        }
    }

    /// One element, then nothing for a long time.
    distributed func pausing() -> RemoteStream<Int> {
        RemoteStream { send in
            try await send(1)
            try await Task.sleep(for: .seconds(3600))
        }
    }

    /// One element, then nothing; it just ends when it is cancelled.
    distributed func listening() -> RemoteStream<Int> {
        let (numbers, continuation) = AsyncStream.makeStream(of: Int.self)
        continuation.yield(1)
        source = continuation
        return RemoteStream(numbers)
    }

    distributed func people() -> RemoteStream<Person> {
        RemoteStream { [actorSystem] send in
            for name in ["Ann", "Bob"] { try await send(Person(name, on: actorSystem)) }
        }
    }

    /// Somebody new, again and again, until nobody reads any more.
    distributed func crowd() -> RemoteStream<Person> {
        RemoteStream { [actorSystem, sent] send in
            for number in 0... {
                try await send(Person("\(number)", on: actorSystem))
                sent?.add(1)
            }
        }
    }

    distributed func pair() -> StreamPair {
        StreamPair(numbers: RemoteStream(0..<3), texts: RemoteStream(["a", "b"]))
    }

    distributed func sum(_ numbers: RemoteStream<Int>) async throws -> Int {
        var sum = 0
        for try await number in numbers { sum += number }
        return sum
    }

    distributed func doubled(_ numbers: RemoteStream<Int>) -> RemoteStream<Int> {
        RemoteStream { send in
            for try await number in numbers { try await send(2 * number) }
        }
    }

    /// Of another type than is sent.
    distributed func first(of texts: RemoteStream<String>) async throws -> String {
        for try await text in texts { return text }
        return ""
    }

    distributed func ignore(_ numbers: RemoteStream<Int>) {}
}

struct StreamPair: Codable, Sendable {
    var numbers: RemoteStream<Int>
    var texts: RemoteStream<String>
}

/// The numbers of another service: as the same name and arguments, with other elements.
@Resolvable
protocol WrongCamera: DistributedActor where ActorSystem == Node {
    distributed func numbers(to end: Int) async throws -> RemoteStream<String>
}

final class Count: Sendable {
    private let state = Mutex(0)
    func add(_ amount: Int) { state.withLock { $0 += amount } }
    var value: Int { state.withLock { $0 } }
}
