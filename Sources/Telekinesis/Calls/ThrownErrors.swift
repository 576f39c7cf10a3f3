internal import MessagePack
internal import Synchronization
internal import TelekinesisProtocol

/// How an error that a method threw travels: as itself where both ends know its type and it is `Codable`, else as its description.
enum ThrownErrors {
    /// The travelling form of whatever a method threw.
    static func encode(_ error: any Error) -> (wire: WireError, ran: TelekinesisError.Execution) {
        if let error = error as? TelekinesisError {
            // What a nested call or the runtime says is passed on; to *this* call's caller the method has run.
            return (WireError(error), .yes)
        }
        let type = Swift.type(of: error as Any)
        var wire = WireError(
            TelekinesisError(
                .methodFailed, String(describing: error), ran: .yes,
                cause: RemoteError(typeName: name(of: type), message: String(describing: error))))
        if let codable = error as? any Codable & Error, let name = _mangledTypeName(type), name.utf8.count <= WireError.maximumMangled,
            let bytes = try? MessagePackEncoder().encode(codable), bytes.count <= WireError.maximumValue
        {
            wire.mangled = name
            wire.value = bytes
        }
        return (wire, .yes)
    }

    /// The name of a type with its module. Where a private type, or one within a function, is declared, Swift says by an address in this program's
    /// memory: that helps nobody, and is nobody's business.
    static func name(of type: any Any.Type) -> String {
        var name = String(reflecting: type)
        while let start = name.firstRange(of: "(unknown context at "), let end = name[start.upperBound...].firstIndex(of: ")") {
            let next = name.index(after: end)
            name.removeSubrange(start.lowerBound..<(next < name.endIndex && name[next] == "." ? name.index(after: next) : next))
        }
        return name
    }

    /// The error as the method threw it; `nil` where its type is not known here.
    static func decode(_ wire: WireError, decoder: MessagePackDecoder) -> (any Error)? {
        guard let name = wire.mangled, let value = wire.value, let type = type(named: name) else { return nil }
        return try? decoder.decode(type, from: value)
    }

    private static let known = Mutex<[String: any (Error & Codable).Type]>([:])

    /// The error type of a mangled name. Only names of plain printable characters reach the runtime's demangler, and only those of types without generic
    /// parameters: a peer could make the runtime build and keep endlessly many others. What is not found is not kept either.
    private static func type(named name: String) -> (any (Error & Codable).Type)? {
        guard name.utf8.count <= WireError.maximumMangled, name.utf8.allSatisfy(isPlain) else { return nil }
        // A structure, enumeration or class (docs/ABI/Mangling.rst, "Types"); the name of a type with arguments ends with G.
        guard let kind = name.last, "VOC".contains(kind) else { return nil }
        if let type = known.withLock({ $0[name] }) { return type }
        guard let type = _typeByName(name) as? any (Error & Codable).Type else { return nil }
        known.withLock { $0[name] = type }
        return type
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "$"):
            true
        default: false
        }
    }
}
