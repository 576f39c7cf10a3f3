internal import TelekinesisProtocol

/// A value of an object, wherever that is: to be followed as it changes, or read.
///
/// ```swift
/// for try await count in try await counter.count { print(count) }     // the newest value at once, then each change
/// let now = try await counter.count.value                            // once
/// ```
///
/// Whoever follows gets the newest value at once, and then a newer one whenever there is one and he is ready for it: who is slow misses values in
/// between, but never the last one. Nothing piles up for him anywhere. He may stop at any time, follow again, and hand the state on. It ends, with an
/// error, when the object ends or its node has gone; as long as somebody has the state, from a call of an object elsewhere, that object is held.
///
/// The other side is ``Followed``.
public struct RemoteState<Value: Codable & Sendable>: Sendable, Codable {
    private enum Core {
        case here(StateCore<Value>)
        /// The origin is the object that was asked for it.
        case there(ActorTarget, origin: ActorTarget?, Node)
    }

    private let core: Core

    init(_ core: StateCore<Value>) { self.core = .here(core) }

    /// How many follow it at present, where that is known: at its object's own node.
    var followers: Int { if case .here(let core) = core { core.followers } else { 0 } }

    /// The value as it is now.
    ///
    /// - Throws: ``TelekinesisError``, when the object has ended or its node has gone.
    public var value: Value {
        get async throws {
            guard let value = try await makeAsyncIterator().take() else {
                throw TelekinesisError(.badResult, "the state has ended without a value", ran: .yes)
            }
            return value
        }
    }

    /// Writes a reference to the state.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` outside of a call.
    public func encode(to encoder: any Encoder) throws {
        switch core {
        case .there(let target, _, _): try ActorID(target).encode(to: encoder)
        case .here(let core):
            let published = PublishedStream(open: { try await core.follow($0) }, local: { core })
            try IncomingReference.encode(.own(core.key, Callee(.stream(published))), to: encoder)
        }
    }

    /// Reads a reference to a state.
    public init(from decoder: any Decoder) throws {
        switch try IncomingReference(from: decoder) {
        case .remote(let target, let node): core = .there(target, origin: CodingScope.origin, node)
        case .own(_, let callee, _):
            guard case .stream(let stream) = callee.kind, let local = try stream.local() as? StateCore<Value> else {
                throw TelekinesisError(.badArguments, "a state of \(Value.self) is expected where the message hands over something else")
            }
            core = .here(local)
        case .name(let name, _): throw TelekinesisError(.badArguments, "a state is expected, and “\(name)” is a name")
        }
    }
}

extension RemoteState: AsyncSequence {
    /// Follows a state.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate enum Way {
            case here(StateFollower<Value>)
            case there(RemoteStream<Value>.Iterator, RemoteState)
        }

        fileprivate let way: Way

        /// The newest value, as soon as there is one that this has not given yet.
        ///
        /// - Throws: ``TelekinesisError`` when the object has ended or its node has gone; `CancellationError`.
        public mutating func next() async throws -> Value? { try await take() }

        /// The newest value, as soon as there is one that this has not given yet.
        ///
        /// - Throws: ``TelekinesisError`` when the object has ended or its node has gone; `CancellationError`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Value? { try await take() }

        fileprivate nonisolated(nonsending) func take() async throws -> Value? {
            switch way {
            case .here(let follower): try await follower.next()
            case .there(let iterator, _): try await iterator.take()
            }
        }
    }

    /// Begins to follow.
    public func makeAsyncIterator() -> Iterator {
        switch core {
        case .here(let core): Iterator(way: .here(StateFollower(core)))
        case .there(let target, _, let node):
            // As little as can be on its way: the next value is taken when this one is read, and not before.
            Iterator(way: .there(RemoteStream(target, node).makeAsyncIterator(window: 1), self))
        }
    }
}

extension StateCore {
    /// Sends a follower elsewhere the newest value, as often as there is one and he has read the last.
    fileprivate func follow(_ stream: OutgoingStream) async throws {
        let follower = StateFollower(self)
        while true {
            // Only then is it known which value is the newest.
            try await stream.waitForRoom()
            try await stream.send(follower.next())
        }
    }
}
