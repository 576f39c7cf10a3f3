import JSONText
import MessagePack

/// Whatever the text is, reading it ends in a value or an error; and a value read is the same when it is written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSONText(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let packed = try? JSONText.toMessagePack(bytes)
    guard (packed != nil) == ((try? JSONText.validate(bytes)) != nil) else { fatalError("Checking and transcoding disagree") }
    if let packed {
        // Integers beyond 2^53 come back as strings, and stay so.
        guard let text = try? JSONText.fromMessagePack(packed), let again = try? JSONText.toMessagePack(text),
            (try? JSONText.fromMessagePack(again)) == text
        else { fatalError("\(packed) does not survive") }
    }
    if let members = try? JSONText.members(of: bytes) {
        for member in members where (try? JSONText.toMessagePack(bytes, in: member.value)) == nil {
            fatalError("\(member) is not well-formed")
        }
    }
    if let elements = try? JSONText.elements(of: bytes, in: bytes.indices) {
        for element in elements where (try? JSONText.toMessagePack(bytes, in: element)) == nil {
            fatalError("\(element) is not well-formed")
        }
    }
    if let text = try? JSONText.fromMessagePack(bytes) {
        guard (try? JSONText.toMessagePack(text)) != nil else { fatalError("\(text) is not JSON") }
    }
    return 0
}
