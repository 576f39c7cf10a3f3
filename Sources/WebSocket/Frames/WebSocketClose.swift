/// What a close frame says (RFC 6455 §7.1.5, §7.1.6).
public struct WebSocketClose: Error, Equatable, Sendable {
    /// The number of the reason (RFC 6455 §7.4).
    public var code: UInt16
    /// The reason for people.
    public var reason: String

    /// A reason of the given code.
    public init(code: UInt16, reason: String = "") {
        self.code = code
        self.reason = reason
    }

    /// 1000: what the connection was for is done.
    public static let normal = WebSocketClose(code: 1000)
    /// 1005: the close frame named no reason. Never sent.
    public static let unnamed = WebSocketClose(code: 1005)
    /// 1006: the connection was lost without a close frame. Never sent.
    public static let lost = WebSocketClose(code: 1006, reason: "the other end closed it without a word")

    /// Whether a close frame may carry `code`: those that RFC 6455 §7.4 and the IANA registry name, and 3000 to 4999.
    static func isSendable(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// Reads the payload of a close frame.
    static func read(_ payload: UnsafeRawBufferPointer) throws(WebSocketFailure) -> WebSocketClose {
        if payload.isEmpty { return .unnamed }
        guard payload.count >= 2 else { throw .violation("A close frame has half a code.") }
        let code = UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self))
        guard isSendable(code) else { throw .violation("A close frame has the code \(code), which must not be sent.") }
        var checker = UTF8Checker()
        let reason = UnsafeRawBufferPointer(rebasing: payload[2...])
        guard checker.accepts(reason), checker.isComplete else {
            throw WebSocketFailure(code: 1007, reason: "The reason in a close frame is not UTF-8.")
        }
        return WebSocketClose(code: code, reason: String(decoding: reason, as: UTF8.self))
    }

    /// The payload of a close frame: nothing for a code that must not be sent; a reason of more than 123 bytes is cut between characters.
    public var payload: [UInt8] {
        guard Self.isSendable(code) else { return [] }
        var text = Array(reason.utf8)
        if text.count > 123 {
            var end = 123
            while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
            text.removeSubrange(end...)
        }
        return [UInt8(code >> 8), UInt8(code & 0xFF)] + text
    }
}

/// The closing handshake (RFC 6455 §7.1): each side sends one close frame, and the connection ends when both have.
public struct WebSocketClosing: Sendable {
    private enum Phase {
        case open
        case waiting
        case done
    }

    /// What the owner of the connection does next.
    public enum Step: Equatable, Sendable {
        /// Nothing.
        case none
        /// Send this close frame, and wait for the other side's.
        case send(WebSocketClose)
        /// Send this close frame as the last bytes, then end the connection.
        case sendAndEnd(WebSocketClose)
        /// End the connection.
        case end
    }

    private var phase = Phase.open
    /// Why the connection ends, or ended: what was said first. Until then, the reason for an end without a word.
    public private(set) var reason = WebSocketClose.lost

    /// A connection that is open.
    public init() {}

    /// Whether messages may still be sent.
    public var isOpen: Bool { phase == .open }
    /// Whether nothing that arrives matters any more.
    public var isDone: Bool { phase == .done }

    /// This side wants to close.
    public mutating func close(_ close: WebSocketClose) -> Step {
        guard phase == .open else { return .none }
        phase = .waiting
        reason = close
        return .send(close)
    }

    /// The other side's close frame arrived.
    public mutating func received(_ close: WebSocketClose) -> Step {
        finish(close)
    }

    /// The other side broke the protocol: it is told so, and not waited for (RFC 6455 §7.1.7).
    public mutating func failed(_ failure: WebSocketFailure) -> Step {
        let close = WebSocketClose(code: failure.code, reason: failure.reason)
        return finish(close)
    }

    /// The connection is gone, or the other side was waited for long enough.
    public mutating func ended() -> Step {
        guard phase != .done else { return .none }
        phase = .done
        return .end
    }

    private mutating func finish(_ close: WebSocketClose) -> Step {
        switch phase {
        case .open:
            (phase, reason) = (.done, close)
            return .sendAndEnd(close)
        case .waiting:
            phase = .done
            return .end
        case .done:
            return .none
        }
    }
}
