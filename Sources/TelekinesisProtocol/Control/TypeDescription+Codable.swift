extension TypeDescription: Codable {
    /// The key of a description that consists of others.
    private enum Key: String, CodingKey {
        case optional, array, map, pairs, tuple, `struct`, `enum`, raw, type, service, function, stream, state, stored, opaque
    }

    /// A key that this program does not know.
    private struct UnknownKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Entries: Codable {
        let key: TypeDescription
        let value: TypeDescription
    }

    private struct Raw: Codable {
        let of: TypeDescription
        let cases: [RawCase]
    }

    private struct Function: Codable {
        let parameters: [TypeDescription]
        let result: TypeDescription
    }

    private struct Stored: Codable {
        let content: TypeDescription
        let reference: TypeDescription
    }

    private static let words: [String: TypeDescription] = {
        var words: [String: TypeDescription] = [
            "void": .void, "bool": .bool, "float": .float, "double": .double, "string": .string, "bytes": .bytes, "date": .date,
            "url": .url, "uuid": .uuid,
        ]
        for bits in [8, 16, 32, 64, 128] {
            words["int\(bits)"] = .integer(bits: bits, signed: true)
            words["uint\(bits)"] = .integer(bits: bits, signed: false)
        }
        return words
    }()

    /// The word for a description that consists of no others.
    private var word: String? {
        switch self {
        case .void: "void"
        case .bool: "bool"
        case .integer(let bits, let isSigned): "\(isSigned ? "int" : "uint")\(bits)"
        case .float: "float"
        case .double: "double"
        case .string: "string"
        case .bytes: "bytes"
        case .date: "date"
        case .url: "url"
        case .uuid: "uuid"
        default: nil
        }
    }

    /// Writes one word, or a map with one key.
    public func encode(to encoder: any Encoder) throws {
        if let word {
            var container = encoder.singleValueContainer()
            return try container.encode(word)
        }
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .void, .bool, .integer, .float, .double, .string, .bytes, .date, .url, .uuid: break
        case .optional(let wrapped): try container.encode(wrapped, forKey: .optional)
        case .array(let element): try container.encode(element, forKey: .array)
        case .dictionary(let key, let value): try container.encode(Entries(key: key, value: value), forKey: .map)
        case .pairs(let key, let value): try container.encode(Entries(key: key, value: value), forKey: .pairs)
        case .tuple(let elements): try container.encode(elements, forKey: .tuple)
        case .structure(let fields): try container.encode(fields, forKey: .struct)
        case .enumeration(let cases): try container.encode(cases, forKey: .enum)
        case .rawEnumeration(let type, let cases): try container.encode(Raw(of: type, cases: cases), forKey: .raw)
        case .named(let name): try container.encode(name, forKey: .type)
        case .service(let name): try container.encode(name, forKey: .service)
        case .function(let parameters, let result):
            try container.encode(Function(parameters: parameters, result: result), forKey: .function)
        case .stream(let element): try container.encode(element, forKey: .stream)
        case .state(let value): try container.encode(value, forKey: .state)
        case .stored(let content, let reference): try container.encode(Stored(content: content, reference: reference), forKey: .stored)
        case .opaque(let name): try container.encode(name, forKey: .opaque)
        }
    }

    /// Reads a description. A kind that this program does not know is read as opaque.
    public init(from decoder: any Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self) {
            self = Self.words[word] ?? .opaque(word)
            return
        }
        let container = try decoder.container(keyedBy: Key.self)
        switch container.allKeys.first {
        case .optional: self = .optional(try container.decode(TypeDescription.self, forKey: .optional))
        case .array: self = .array(try container.decode(TypeDescription.self, forKey: .array))
        case .map:
            let entries = try container.decode(Entries.self, forKey: .map)
            self = .dictionary(key: entries.key, value: entries.value)
        case .pairs:
            let entries = try container.decode(Entries.self, forKey: .pairs)
            self = .pairs(key: entries.key, value: entries.value)
        case .tuple: self = .tuple(try container.decode([TypeDescription].self, forKey: .tuple))
        case .struct: self = .structure(try container.decode([FieldDescription].self, forKey: .struct))
        case .enum: self = .enumeration(try container.decode([FieldDescription].self, forKey: .enum))
        case .raw:
            let raw = try container.decode(Raw.self, forKey: .raw)
            self = .rawEnumeration(raw.of, raw.cases)
        case .type: self = .named(try container.decode(String.self, forKey: .type))
        case .service: self = .service(try container.decode(String.self, forKey: .service))
        case .function:
            let function = try container.decode(Function.self, forKey: .function)
            self = .function(parameters: function.parameters, result: function.result)
        case .stream: self = .stream(try container.decode(TypeDescription.self, forKey: .stream))
        case .state: self = .state(try container.decode(TypeDescription.self, forKey: .state))
        case .stored:
            let stored = try container.decode(Stored.self, forKey: .stored)
            self = .stored(content: stored.content, reference: stored.reference)
        case .opaque: self = .opaque(try container.decode(String.self, forKey: .opaque))
        case nil:
            let keys = try decoder.container(keyedBy: UnknownKey.self).allKeys
            self = .opaque(keys.first?.stringValue ?? "")
        }
    }
}
