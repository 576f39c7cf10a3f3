import HTTP

/// Whatever arrives, a head is read the same in one piece and byte by byte, or refused the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: data, count: size)
    precondition(outcome(HTTPRequestHead.self, bytes, step: size) == outcome(HTTPRequestHead.self, bytes, step: 1))
    precondition(outcome(HTTPResponseHead.self, bytes, step: size) == outcome(HTTPResponseHead.self, bytes, step: 1))
    return 0
}

private enum Outcome: Equatable {
    case head(HTTPHeaders, consumed: Int)
    case incomplete
    case refused(HTTPRefusal)
}

private func outcome<Head: HTTPHead & HeadersOfHead>(_: Head.Type, _ bytes: UnsafeRawBufferPointer, step: Int) -> Outcome {
    var parser = HTTPHeadParser<Head>()
    do {
        for start in stride(from: 0, to: bytes.count, by: max(step, 1)) {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + step, bytes.count)])
            if let (head, consumed) = try parser.receive(piece) { return .head(head.headers, consumed: start + consumed) }
        }
        return .incomplete
    } catch {
        return .refused(error)
    }
}

private protocol HeadersOfHead { var headers: HTTPHeaders { get } }
extension HTTPRequestHead: HeadersOfHead {}
extension HTTPResponseHead: HeadersOfHead {}
