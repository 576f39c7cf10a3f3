/// What arrived. The memory it points to is valid during the call only, and may be changed.
public enum WebSocketEvent {
    /// A whole message of bytes.
    case binary(UnsafeMutableRawBufferPointer)
    /// A whole message of text; it is UTF-8.
    case text(UnsafeMutableRawBufferPointer)
    /// Wants a pong with the same payload.
    case ping(UnsafeMutableRawBufferPointer)
    /// The answer to a ping, or a sign of life.
    case pong(UnsafeMutableRawBufferPointer)
    /// The other side says no more; whatever follows is ignored.
    case close(WebSocketClose)
}

/// Makes messages of the bytes of one connection, as they come (RFC 6455 §5, §6.2, §8.1).
///
/// A message that lies whole in the bytes of one call is unmasked there and handed out where it is. Only what is incomplete is kept, in a
/// buffer that grows with the bytes that came, never with a length that was declared, and is freed with the message's end: a decoder
/// between two messages holds no memory of its own.
public struct WebSocketDecoder: Sendable {
    /// The largest message that is taken, in bytes; checked against what a frame declares, before its payload.
    public var maximumMessageSize: Int
    /// How many control frames came so far. Whoever owns the connection bounds their rate.
    public private(set) var controlFrames = 0

    /// How many fragments of a message may be empty: they cost nothing but time, and have no end.
    static let maximumEmptyFragments = 1000

    private let expectsMask: Bool
    private var hasEnded = false

    /// The first bytes of a header that is cut.
    private var cutHeader = SIMD16<UInt8>()
    private var cutHeaderSize = 0
    /// The frame whose payload is cut, and how much of it came.
    private var frame: WebSocketFrameHeader?
    private var received = 0
    /// The payload of a control frame that is cut.
    private var control: [UInt8] = []
    /// The message under way: what it is, and all of its payload that came.
    private var messageOpcode: WebSocketOpcode?
    private var message: [UInt8] = []
    private var checker = UTF8Checker()
    private var emptyFragments = 0

    /// A decoder of what the other side sends to `role`.
    public init(role: WebSocketRole, maximumMessageSize: Int) {
        expectsMask = role == .server
        self.maximumMessageSize = maximumMessageSize
    }

    /// Whether nothing is kept for the next call.
    public var isBetweenMessages: Bool { cutHeaderSize == 0 && frame == nil && messageOpcode == nil }

    /// Takes the next bytes of the connection, which it may change, and hands out what they complete, in order.
    ///
    /// After a close frame or a failure, bytes are ignored.
    ///
    /// - Throws: what the other side did wrong. What came before it has been handed out.
    public mutating func receive(
        _ bytes: UnsafeMutableRawBufferPointer, _ sink: (WebSocketEvent) -> Void
    ) throws(WebSocketFailure) {
        var position = 0
        do {
            while position < bytes.count, !hasEnded {
                if frame == nil {
                    guard let header = try readHeader(bytes, &position) else { return }
                    try admit(header)
                    let isWhole = header.opcode.isControl || header.isFinal && header.opcode != .continuation
                    if isWhole, header.length <= bytes.count &- position {
                        let payload = UnsafeMutableRawBufferPointer(rebasing: bytes[position..<position &+ header.length])
                        WebSocketMask.apply(header.maskKey, to: payload)
                        position &+= header.length
                        try handOut(header.opcode, payload, sink)
                        continue
                    }
                    begin(header)
                }
                position &+= try keep(bytes, from: position)
                try endFrame(sink)
            }
        } catch {
            hasEnded = true
            forget()
            throw error
        }
    }

    // MARK: Headers

    private mutating func readHeader(
        _ bytes: UnsafeMutableRawBufferPointer, _ position: inout Int
    ) throws(WebSocketFailure) -> WebSocketFrameHeader? {
        if cutHeaderSize == 0 {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            if let (header, size) = try WebSocketFrameHeader.read(rest, masked: expectsMask) {
                position &+= size
                return header
            }
        }
        while position < bytes.count {
            cutHeader[cutHeaderSize] = bytes[position]
            cutHeaderSize += 1
            position += 1
            let (soFar, size) = (cutHeader, cutHeaderSize)
            let read = try withUnsafeBytes(of: soFar) { (bytes) throws(WebSocketFailure) in
                try WebSocketFrameHeader.read(UnsafeRawBufferPointer(rebasing: bytes[..<size]), masked: expectsMask)
            }
            if let (header, _) = read {
                cutHeaderSize = 0
                return header
            }
        }
        return nil
    }

    /// Refuses a frame that does not belong where it stands, or is too much.
    private mutating func admit(_ header: WebSocketFrameHeader) throws(WebSocketFailure) {
        if header.opcode.isControl {
            controlFrames &+= 1
            return
        }
        if header.opcode == .continuation {
            guard messageOpcode != nil else { throw .violation("A fragment continues no message.") }
        } else {
            guard messageOpcode == nil else { throw .violation("A message begins before the last one ended.") }
        }
        guard header.length <= maximumMessageSize - message.count else {
            throw WebSocketFailure(code: 1009, reason: "A message is larger than \(maximumMessageSize) bytes.")
        }
        if header.length == 0, !header.isFinal {
            emptyFragments += 1
            guard emptyFragments <= Self.maximumEmptyFragments else {
                throw WebSocketFailure(code: 1008, reason: "A message has more than \(Self.maximumEmptyFragments) empty fragments.")
            }
        }
    }

    // MARK: Payloads that are cut, and fragments

    private mutating func begin(_ header: WebSocketFrameHeader) {
        frame = header
        received = 0
        if !header.opcode.isControl, header.opcode != .continuation {
            messageOpcode = header.opcode
            checker = UTF8Checker()
        }
    }

    /// Keeps what `bytes` hold of the frame's payload, and says how much that was.
    private mutating func keep(_ bytes: UnsafeMutableRawBufferPointer, from position: Int) throws(WebSocketFailure) -> Int {
        guard let header = frame else { return 0 }
        let count = min(header.length - received, bytes.count - position)
        let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[position..<position + count])
        WebSocketMask.apply(header.maskKey, to: piece, offset: received)
        received += count
        let octets = piece.bindMemory(to: UInt8.self)
        if header.opcode.isControl {
            control.append(contentsOf: octets)
        } else {
            if messageOpcode == .text, !checker.accepts(UnsafeRawBufferPointer(piece)) { throw Self.notUTF8 }
            let came = message.count + count
            if message.capacity < came {
                // Room for the rest as well, as long as that is no more than three times what came; twice what there was, as ever, in between.
                message.reserveCapacity(min(max(came + header.length - received, 2 * message.count), 4 * came))
            }
            message.append(contentsOf: octets)
        }
        return count
    }

    private mutating func endFrame(_ sink: (WebSocketEvent) -> Void) throws(WebSocketFailure) {
        guard let header = frame, received == header.length else { return }
        frame = nil
        if header.opcode.isControl {
            var payload: [UInt8] = []
            swap(&payload, &control)
            try payload.withUnsafeMutableBufferPointer { (octets) throws(WebSocketFailure) in
                try handOut(header.opcode, UnsafeMutableRawBufferPointer(octets), sink)
            }
        } else if header.isFinal, let opcode = messageOpcode {
            if opcode == .text, !checker.isComplete { throw Self.notUTF8 }
            var whole: [UInt8] = []
            swap(&whole, &message)
            messageOpcode = nil
            emptyFragments = 0
            whole.withUnsafeMutableBytes { sink(opcode == .text ? .text($0) : .binary($0)) }
        }
    }

    // MARK: Whole payloads

    private mutating func handOut(
        _ opcode: WebSocketOpcode, _ payload: UnsafeMutableRawBufferPointer, _ sink: (WebSocketEvent) -> Void
    ) throws(WebSocketFailure) {
        switch opcode {
        case .binary: sink(.binary(payload))
        case .text:
            var checker = UTF8Checker()
            guard checker.accepts(UnsafeRawBufferPointer(payload)), checker.isComplete else { throw Self.notUTF8 }
            sink(.text(payload))
        case .ping: sink(.ping(payload))
        case .pong: sink(.pong(payload))
        case .close:
            let close = try WebSocketClose.read(UnsafeRawBufferPointer(payload))
            hasEnded = true
            forget()
            sink(.close(close))
        case .continuation: break  // never whole by itself: receive(_:_:) keeps it
        }
    }

    /// Frees what was kept.
    private mutating func forget() {
        (frame, messageOpcode, cutHeaderSize) = (nil, nil, 0)
        message = []
        control = []
    }

    private static let notUTF8 = WebSocketFailure(code: 1007, reason: "A text message is not UTF-8.")
}
