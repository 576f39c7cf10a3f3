/// How much of a head is taken before it is refused.
public struct HTTPLimits: Sendable {
    /// Bytes of the first line.
    public var startLine = 8 << 10
    /// Bytes of all header fields together, line ends included.
    public var headers = 32 << 10
    /// Number of header fields.
    public var count = 100

    /// The defaults: 8 KiB, 32 KiB and 100 fields.
    public init() {}
}

/// Reads requests.
public typealias HTTPRequestParser = HTTPHeadParser<HTTPRequestHead>
/// Reads responses.
public typealias HTTPResponseParser = HTTPHeadParser<HTTPResponseHead>

/// Reads the head of a message from bytes that may come in any pieces (RFC 9112 §2), strictly.
///
/// Lines end with CR LF and nothing else; control characters, folded lines and white space before a colon are refused. Whatever two
/// implementations may read differently is an error here, because that is how requests are smuggled. Memory is bounded by `HTTPLimits`.
public struct HTTPHeadParser<Head: HTTPHead>: Sendable {
    private let limits: HTTPLimits
    private var line: [UInt8] = []
    private var lineHasCR = false
    private var startLine: Head.StartLine?
    private var headers = HTTPHeaders()
    private var headerBytes = 0

    /// A parser in front of the first byte of a head.
    public init(limits: HTTPLimits = HTTPLimits()) {
        self.limits = limits
    }

    /// Takes the next bytes of the connection.
    ///
    /// - Returns: the head and how many of `bytes` belong to it, or nil when more bytes are needed.
    /// - Throws: `HTTPRefusal` at the first byte that cannot be part of a head; the parser is of no use afterwards.
    public mutating func receive(_ bytes: UnsafeRawBufferPointer) throws(HTTPRefusal) -> (head: Head, consumed: Int)? {
        for (index, byte) in bytes.enumerated() {
            try count(byte)
            if lineHasCR {
                guard byte == 0x0A else { throw HTTPRefusal(.badRequest, "A carriage return is not followed by a line feed.") }
                lineHasCR = false
                if let head = try endLine() { return (head, index + 1) }
            } else if byte == 0x0D {
                lineHasCR = true
            } else {
                line.append(byte)
            }
        }
        return nil
    }

    private mutating func count(_ byte: UInt8) throws(HTTPRefusal) {
        if startLine == nil {
            guard line.count < limits.startLine else {
                throw HTTPRefusal(.uriTooLong, "The first line is longer than \(limits.startLine) bytes.")
            }
        } else {
            headerBytes += 1
            guard headerBytes <= limits.headers else {
                throw HTTPRefusal(.headersTooLarge, "The headers are larger than \(limits.headers) bytes.")
            }
        }
        switch byte {
        case 0x0A where !lineHasCR: throw HTTPRefusal(.badRequest, "A line ends with a line feed alone.")
        case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x80...0xFF: return
        default: throw HTTPRefusal(.badRequest, "The head holds a control character.")
        }
    }

    private mutating func endLine() throws(HTTPRefusal) -> Head? {
        defer { line.removeAll(keepingCapacity: true) }
        guard let startLine else {
            startLine = try Head.startLine(line)
            return nil
        }
        if line.isEmpty { return try Head(startLine, headers) }
        guard headers.fields.count < limits.count else {
            throw HTTPRefusal(.headersTooLarge, "There are more than \(limits.count) headers.")
        }
        guard line[0] != 0x20, line[0] != 0x09 else { throw HTTPRefusal(.badRequest, "A header is folded over two lines.") }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0, line[..<colon].allSatisfy(\.isTokenCharacter) else {
            throw HTTPRefusal(.badRequest, "A header line does not begin with a name and a colon.")
        }
        let value = String(decoding: line[(colon + 1)...], as: UTF8.self).trimmingSpacesAndTabs()
        headers.append(String(decoding: line[..<colon], as: UTF8.self), value)
        return nil
    }
}
