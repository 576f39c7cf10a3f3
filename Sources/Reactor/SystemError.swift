internal import CSystem
internal import Glibc

/// A refused system call or name look-up.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The `errno` value; 0 if the failure has none (a name that does not resolve).
    public let number: Int32
    /// What was attempted, for example `connect to 127.0.0.1:3388`.
    public let operation: String
    /// The system's own words for the failure.
    public let reason: String

    /// Describes a failure by its `errno` value.
    public init(number: Int32, operation: String) {
        self.number = number
        self.operation = operation
        var text = [CChar](repeating: 0, count: 128)
        tk_error_text(number, &text, text.count)
        reason = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    /// Describes the failure that the calling thread's `errno` tells of.
    init(operation: String) {
        self.init(number: errno, operation: operation)
    }

    init(operation: String, reason: String) {
        number = 0
        self.operation = operation
        self.reason = reason
    }

    static func timedOut(_ operation: String) -> SystemError { SystemError(number: ETIMEDOUT, operation: operation) }
    static func cancelled(_ operation: String) -> SystemError { SystemError(number: ECANCELED, operation: operation) }

    /// Whether time ran out.
    public var isTimeout: Bool { number == ETIMEDOUT }

    /// For example `connect to 127.0.0.1:3388: Connection refused`.
    public var description: String { "\(operation): \(reason)" }
}
