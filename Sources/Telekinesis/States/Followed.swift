/// A value of an object that others follow as it changes.
///
/// ```swift
/// distributed actor Counter {
///     @Followed private var number = 0
///     distributed var count: RemoteState<Int> { $number }
///     distributed func increment() { number += 1 }
/// }
///
/// for try await count in try await counter.count { print(count) }
/// ```
///
/// One that begins with what an initializer is given is made there: `_number = Followed(wrappedValue: start)`.
///
/// To set it costs the same whoever follows: each follower takes the newest value when it is ready for one, and no value waits for anybody. When the object
/// ends, so do those that follow it, with an error.
@propertyWrapper
public struct Followed<Value: Codable & Sendable> {
    private let core: StateCore<Value>
    private let owner: Owner

    /// A value that may be set to what it is already: then followers are told all the same.
    public init(wrappedValue: Value) { self.init(wrappedValue, isEqual: nil) }

    /// A value of which followers are told when it has changed.
    public init(wrappedValue: Value) where Value: Equatable { self.init(wrappedValue, isEqual: ==) }

    private init(_ value: Value, isEqual: (@Sendable (Value, Value) -> Bool)?) {
        let core = StateCore(value, isEqual: isEqual)
        self.core = core
        owner = Owner { core.end(StateCore<Value>.ownerHasEnded) }
    }

    /// The value.
    public var wrappedValue: Value {
        get { core.value }
        set { core.set(newValue) }
    }

    /// What others follow.
    public var projectedValue: RemoteState<Value> { RemoteState(core) }
}

/// Says when whoever has it ends.
private final class Owner: Sendable {
    private let hasEnded: @Sendable () -> Void

    init(_ hasEnded: @escaping @Sendable () -> Void) { self.hasEnded = hasEnded }

    deinit { hasEnded() }
}
