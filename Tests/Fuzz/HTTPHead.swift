import HTTP

/// Whatever arrives, a head is read the same in one piece and byte by byte, or refused the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    agree(HTTPRequestHead.self, bytes)
    agree(HTTPResponseHead.self, bytes)
    return 0
}

private func agree<Head: HTTPHead>(_: Head.Type, _ bytes: UnsafeRawBufferPointer) {
    let whole = Result { () throws(HTTPRefusal) in
        var parser = HTTPHeadParser<Head>()
        return try parser.receive(bytes)
    }
    let pieces = Result { () throws(HTTPRefusal) in
        var parser = HTTPHeadParser<Head>()
        for offset in bytes.indices {
            if let (head, _) = try parser.receive(UnsafeRawBufferPointer(rebasing: bytes[offset...offset])) {
                return (head: head, consumed: offset + 1)
            }
        }
        return (head: Head, consumed: Int)?.none
    }
    switch (whole, pieces) {
    case (.success(let a), .success(let b)): precondition(a?.consumed == b?.consumed)
    case (.failure(let a), .failure(let b)): precondition(a == b)
    default: preconditionFailure("the outcome depends on how the bytes were cut")
    }
}
