/// What a frame is for. Unknown types with the high bit set are ignored; other unknown types end the session.
public enum FrameType: UInt8, Sendable {
    /// First word of either end: version, nonce, ways to authenticate.
    case hello = 1
    /// A node's answer to the hub's hello: proof of who it is.
    case proof = 2
    /// The hub's last word of the handshake: node id, principal, limits.
    case welcome = 3
    /// The sender ends the session, with a reason.
    case bye = 4
    /// Are you alive?
    case ping = 5
    /// I am.
    case pong = 6
    /// Call a method of an object or of whatever a route leads to.
    case call = 7
    /// The answer to a call.
    case reply = 8
    /// The caller no longer wants the answer.
    case cancel = 9
    /// More of a large argument list or result.
    case data = 10
    /// More data may be sent.
    case credit = 11
    /// End of a channel. Reserved for streams.
    case end = 12
    /// Progress, log, question in the middle of a call. Reserved.
    case note = 13
    /// A reference was handed to a third party.
    case share = 14
    /// References are given back.
    case release = 15
    /// A peer introduces itself, or is forgotten.
    case peer = 16
    /// A peer has gone for good.
    case gone = 17
    /// Send no new calls on this connection.
    case drain = 18
    /// Answers up to a call id need not be remembered. Reserved.
    case settled = 19
    /// Another node has taken over a name that this one had published. Whoever does not know that type may ignore it.
    case replaced = 128

    /// Bytes of the fixed head; a frame of this type is never shorter.
    public var headSize: Int {
        switch self {
        case .call, .share, .release: 48
        case .data, .credit, .end: 32
        default: FrameHead.size
        }
    }
}

/// Flags of a ``FrameType/call``.
public struct CallFlags: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// Flags of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The target is a route handle, not a key.
    public static let route = CallFlags(rawValue: 1 << 0)
    /// The body continues in data frames.
    public static let more = CallFlags(rawValue: 1 << 1)
    /// The hub may hold the call while nobody serves the name.
    public static let mayWait = CallFlags(rawValue: 1 << 2)
    /// A repetition of a call whose answer was lost. Reserved.
    public static let isRepeat = CallFlags(rawValue: 1 << 3)
    /// The body starts with the key under which the result is to be registered.
    public static let resultKey = CallFlags(rawValue: 1 << 4)
    /// The body has a metadata map.
    public static let metadata = CallFlags(rawValue: 1 << 5)
    /// The body has a table of references.
    public static let references = CallFlags(rawValue: 1 << 6)
    /// Fail at once where waiting is possible. Reserved.
    public static let failFast = CallFlags(rawValue: 1 << 7)
}

/// Flags of a ``FrameType/reply``.
public struct ReplyFlags: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// Flags of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The body is an error.
    public static let isError = ReplyFlags(rawValue: 1 << 0)
    /// The body continues in data frames.
    public static let more = ReplyFlags(rawValue: 1 << 1)
    /// The call had gone by a route, and this comes from where the hub had sent it. Only the hub sets this flag: on every reply it says whether.
    public static let routed = ReplyFlags(rawValue: 1 << 4)
    /// The body has a metadata map. Reserved.
    public static let metadata = ReplyFlags(rawValue: 1 << 5)
    /// The body has a table of references.
    public static let references = ReplyFlags(rawValue: 1 << 6)

    /// Whether the method ran: bits 2 and 3.
    public var ran: TelekinesisError.Execution? { TelekinesisError.Execution(rawValue: (rawValue >> 2) & 3) }

    /// The flags of an error reply.
    public static func error(ran: TelekinesisError.Execution) -> ReplyFlags { ReplyFlags(rawValue: 1 | ran.rawValue << 2) }
}

/// Which of a call's flows a frame of data belongs to.
public enum Channel {
    /// The rest of large arguments, or of a large result.
    public static let value: UInt32 = 0
    /// The elements of the stream that the call has opened.
    public static let stream: UInt32 = 1
}

/// Flags of ``FrameType/data`` and ``FrameType/credit``.
public struct ChannelFlags: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// Flags of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The last bytes of the value.
    public static let last = ChannelFlags(rawValue: 1 << 0)
    /// The channel carries the result of the call; without this flag, its arguments.
    public static let towardsCaller = ChannelFlags(rawValue: 1 << 1)
    /// Of a stream: the element continues in the next frame.
    public static let partial = ChannelFlags(rawValue: 1 << 2)
    /// Of a stream: the body starts with a ``ReferenceTable``.
    public static let references = ChannelFlags(rawValue: 1 << 3)
    /// Of a stream, with ``last``: the body is the error with which it ends.
    public static let isError = ChannelFlags(rawValue: 1 << 4)
    /// Of a stream: the element that begins here has values that are stored somewhere else.
    public static let stored = ChannelFlags(rawValue: 1 << 5)
}

/// Flags of a ``FrameType/release``.
public struct ReleaseFlags: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// Flags of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The key is one that the sender has chosen for the result of a call: where nothing is held under it, that call never arrived.
    public static let result = ReleaseFlags(rawValue: 1 << 0)
}

/// Flags of a ``FrameType/peer``.
public struct PeerFlags: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt8
    /// Flags of these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The hub may forget where the key that follows the head was created.
    public static let forget = PeerFlags(rawValue: 1 << 0)
}
