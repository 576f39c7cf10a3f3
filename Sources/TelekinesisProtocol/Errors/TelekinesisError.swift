/// What went wrong with a call or with the use of this library.
///
/// Every error says with ``ran`` whether the method was executed, so that a caller knows whether repeating is safe.
public struct TelekinesisError: Error, Sendable, CustomStringConvertible {
    /// Whether the method of a failed call was executed.
    public enum Execution: UInt8, Sendable, Codable {
        /// It was not: repeating is safe.
        case no = 1
        /// Nobody can know: the connection or the peer was lost in between.
        case maybe = 2
        /// It was.
        case yes = 3
    }

    /// What kind of error it is.
    public var code: Code
    /// A sentence to act on.
    public var message: String
    /// Whether the method of the failed call was executed.
    public var ran: Execution
    /// What caused it, where that is known here.
    public var cause: (any Error)?

    /// An error.
    public init(_ code: Code, _ message: String, ran: Execution = .no, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.ran = ran
        self.cause = cause
    }

    /// Code and message, and for a lost call that the method may have run.
    public var description: String {
        let fate =
            switch ran {
            case .no: ""
            case .maybe: " (the method may have run)"
            case .yes: " (the method ran)"
            }
        // The message of an error of a method may be as short as the name of a case: its type says more.
        let what = if code == .methodFailed, let error = cause as? RemoteError { "\(error)" } else { message }
        return "\(code): \(what)\(fate)"
    }
}

extension TelekinesisError {
    /// The closed set of error codes, as they travel.
    public enum Code: String, Sendable, CaseIterable, CustomStringConvertible, Codable {
        /// A name breaks the rules for names.
        case invalidName
        /// The library was used in a way that cannot work; the message says how to do it.
        case invalidUse
        /// Nothing is published under the name.
        case noSuchName
        /// The name is known but nobody serves it now.
        case noProvider
        /// Somebody else holds the name exclusively.
        case nameTaken
        /// No object has this key, or it was released.
        case noSuchObject
        /// The object has no method of this name.
        case noSuchMethod
        /// The arguments do not fit the method.
        case badArguments
        /// Caller and provider were built against different signatures.
        case incompatible
        /// The method's error, as text: its type is not known here.
        case methodFailed
        /// The result could not be encoded or decoded.
        case badResult
        /// Authentication failed or is missing.
        case unauthenticated
        /// The principal has no right to this.
        case forbidden
        /// A queue or quota is full; try again later.
        case overloaded
        /// A value or message is larger than a limit that the message names.
        case tooLarge
        /// The store of values has no room: release some, or wait until others are gone.
        case storeFull
        /// The deadline passed.
        case deadlineExceeded
        /// The caller cancelled.
        case cancelled
        /// The peer, or the connection to the hub, was lost.
        case disconnected
        /// The hub cannot be reached.
        case unreachable
        /// The provider no longer serves this; the call is repeated elsewhere where that is possible.
        case moved
        /// The other end is shutting down.
        case draining
        /// The other end broke the protocol.
        case protocolViolation
        /// The other end cannot do this.
        case unsupported
        /// A fault of this library.
        case internalError

        /// Whether the same call may succeed later without any change.
        public var isTransient: Bool {
            switch self {
            case .noProvider, .overloaded, .storeFull, .disconnected, .unreachable, .moved, .draining, .deadlineExceeded: true
            default: false
            }
        }

        /// The name of the code.
        public var description: String { rawValue }
    }
}

/// An error thrown by a remote method whose type is not known here, or cannot travel.
public struct RemoteError: Error, Sendable, CustomStringConvertible {
    /// The name of the error's type at the provider.
    public var typeName: String
    /// The error as the provider describes it.
    public var message: String

    /// An error of a remote method.
    public init(typeName: String, message: String) {
        self.typeName = typeName
        self.message = message
    }

    /// Type and message.
    public var description: String { "\(typeName): \(message)" }
}
