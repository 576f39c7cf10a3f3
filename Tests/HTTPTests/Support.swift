import HTTP

/// Parses `text` given in one piece.
func parse<Head: HTTPHead>(_ text: String, as: Head.Type = HTTPRequestHead.self) throws(HTTPRefusal) -> (head: Head, consumed: Int)? {
    try parse(Array(text.utf8), pieces: [], as: Head.self)
}

/// Parses `bytes` cut at the offsets `pieces`.
func parse<Head: HTTPHead>(_ bytes: [UInt8], pieces: [Int], as: Head.Type = HTTPRequestHead.self) throws(HTTPRefusal) -> (
    head: Head, consumed: Int
)? {
    var parser = HTTPHeadParser<Head>()
    var start = 0
    for end in pieces + [bytes.count] {
        let piece = Array(bytes[start..<end])
        let outcome = piece.withUnsafeBytes { bytes in Result { () throws(HTTPRefusal) in try parser.receive(bytes) } }
        if let (head, consumed) = try outcome.get() { return (head, start + consumed) }
        start = end
    }
    return nil
}

/// A request with the usual first line and Host, and `headers` behind.
func request(_ headers: String...) -> String {
    "GET / HTTP/1.1\r\nHost: localhost\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n"
}

/// The status with which `text` is refused as a request; nil if it is not.
func refusal(of text: String) -> Int? {
    do {
        _ = try parse(text)
        return nil
    } catch {
        return error.status.code
    }
}
