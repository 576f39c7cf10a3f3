public import Reactor
public import TelekinesisProtocol

/// An ordered channel of whole messages between two ends: WebSocket over TCP, or an in-memory pair.
///
/// A transport belongs to one event loop. What arrives is handed to its receiver there, outside of jobs. `send` may be called from any thread,
/// by one at a time: the link above serialises its writers.
public protocol Transport: AnyObject, Sendable {
    /// The loop that reads this channel and runs its timers.
    var loop: EventLoop { get }

    /// Where the other end is, for logs: an address, never a secret.
    var remoteDescription: String { get }

    /// When the connection was made, in nanoseconds of the loop's clock. Whatever was said on it before the first message counts towards the
    /// time of the handshake.
    var connectedAt: UInt64 { get }

    /// Sends binary messages, one after the other, with as few system calls as it takes.
    ///
    /// The transport may use the bytes in front of a message's start for its own header and change `bytes` in place (a WebSocket client masks).
    ///
    /// - Parameter messages: at least one; at least ``TransportLimits/headroom`` bytes lie in front of each one's start.
    /// - Returns: messages whose memory may be used again, when the channel took all of them; `nil` when it keeps a rest. Then nothing may be sent
    ///   until the receiver's `writable()` was called.
    func send(_ messages: consuming [OutgoingMessage]) -> [OutgoingMessage]?

    /// Changes how large a message may be that the other end sends. A larger one ends the channel as soon as it says so, before much of it is kept; one that
    /// has come whole by then may still be handed out.
    ///
    /// - Parameter size: in bytes.
    func limitMessages(to size: Int)

    /// Hands out nothing for a while, except what has been read already: the rest waits at the sender. Called by the receiver while it is given something.
    ///
    /// - Parameters:
    ///   - nanoseconds: how long.
    ///   - goesOn: asked then: whether for as long again.
    func pauseReading(for nanoseconds: UInt64, andWhile goesOn: @escaping @Sendable () -> Bool)

    /// Closes the channel in good order; the receiver hears `closed` once.
    ///
    /// - Parameters:
    ///   - code: the reason as a number (RFC 6455 §7.4 for WebSocket).
    ///   - reason: a sentence for the other end, at most 123 bytes of UTF-8 are sent.
    func close(code: UInt16, reason: String)
}

/// What a transport tells the link above it. All of it on the transport's loop.
public protocol TransportReceiver: AnyObject, Sendable {
    /// A whole binary message arrived.
    ///
    /// - Parameter message: valid during the call only.
    func received(_ message: UnsafeRawBufferPointer)

    /// A whole text message arrived (UTF-8, checked).
    func received(text: UnsafeRawBufferPointer)

    /// The rest that `send` kept has left: more may be sent.
    func writable()

    /// The channel has ended; said exactly once, and last.
    func closed(_ end: TransportEnd)
}

/// Why a channel ended.
public struct TransportEnd: Error, Sendable, CustomStringConvertible {
    /// The number of the reason (RFC 6455 §7.4.1): 1000 in good order, 1006 when the connection was lost without a word.
    public var code: UInt16
    /// What happened, for people.
    public var reason: String

    /// Says why a channel ended.
    public init(code: UInt16, reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The reason with its number.
    public var description: String { "\(reason) (\(code))" }
}

/// Bounds that links and transports agree on.
public enum TransportLimits {
    /// Bytes that a message leaves free in front of its payload for the transport's header: a WebSocket head has at most 14 (RFC 6455 §5.2).
    public static let headroom = 16

    /// The largest message of the binary protocol, in bytes: a batch of 64 KiB and one more frame, with their heads.
    public static let maximumMessage = 256 * 1024
}
