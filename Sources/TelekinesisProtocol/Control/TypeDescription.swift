/// What values of a type look like as they travel, for those who do not have the type.
///
/// Types with a name stand in the table of their ``ServiceDescription``, once each, and are ``named(_:)`` wherever they are used: so a tree that consists of
/// trees has an end.
public enum TypeDescription: Hashable, Sendable {
    // Only the cases that hold a description themselves are indirect. Were all of them, a description would be one pointer with its case in the upper bits,
    // which the leak sanitizer takes for no pointer; as large as a string, it has a byte of its own for the case.

    /// Nothing: the result of a method without one.
    case void
    /// A truth value.
    case bool
    /// An integer.
    case integer(bits: Int, signed: Bool)
    /// A number of 32 bits.
    case float
    /// A number of 64 bits.
    case double
    /// A text.
    case string
    /// Bytes: `[UInt8]` or `Data`.
    case bytes
    /// A point in time.
    case date
    /// A URL, as a string.
    case url
    /// A UUID, as a string.
    case uuid
    /// A value or nil.
    indirect case optional(TypeDescription)
    /// An array, of elements in any number. A set travels as one.
    indirect case array(TypeDescription)
    /// A map; keys that are not strings are written as strings.
    indirect case dictionary(key: TypeDescription, value: TypeDescription)
    /// A dictionary that travels as an array of keys and values in turn, because its keys cannot be written as strings.
    indirect case pairs(key: TypeDescription, value: TypeDescription)
    /// An array with these elements.
    case tuple([TypeDescription])
    /// A map with these keys.
    case structure([FieldDescription])
    /// A map with exactly one of these keys.
    case enumeration([FieldDescription])
    /// One of these values of a string or an integer.
    indirect case rawEnumeration(TypeDescription, [RawCase])
    /// A type of the table.
    case named(String)
    /// A reference to an object with this type, or with the methods of this protocol.
    case service(String)
    /// A reference to a function.
    indirect case function(parameters: [TypeDescription], result: TypeDescription)
    /// A reference to a stream of such elements.
    indirect case stream(TypeDescription)
    /// A reference to a state that can be followed.
    indirect case state(TypeDescription)
    /// A value that is stored elsewhere; what travels refers to it.
    indirect case stored(content: TypeDescription, reference: TypeDescription)
    /// A value of which nothing is known but the name of its Swift type.
    case opaque(String)
}

/// A part of a structure, or a case of an enumeration.
public struct FieldDescription: Codable, Hashable, Sendable {
    /// The key.
    public var name: String
    /// What stands under it.
    public var type: TypeDescription
    /// Whether it may be missing, or nil.
    public var isOptional: Bool

    /// A field.
    public init(name: String, type: TypeDescription, isOptional: Bool = false) {
        self.name = name
        self.type = type
        self.isOptional = isOptional
    }

    private enum CodingKeys: String, CodingKey {
        case name, type
        case isOptional = "optional"
    }

    /// Reads a field.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        type = try container.decode(TypeDescription.self, forKey: .type)
        isOptional = try container.decodeIfPresent(Bool.self, forKey: .isOptional) ?? false
    }

    /// Writes the field.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(type, forKey: .type)
        if isOptional { try container.encode(true, forKey: .isOptional) }
    }
}

/// A case of an enumeration that travels as a plain value.
public struct RawCase: Codable, Hashable, Sendable {
    /// The case's name in Swift.
    public var name: String
    /// What travels.
    public var value: Value

    /// A case.
    public init(name: String, value: Value) {
        self.name = name
        self.value = value
    }

    /// What travels in place of a case.
    public enum Value: Hashable, Sendable {
        case string(String)
        case integer(Int64)
    }
}

extension RawCase.Value: Codable {
    /// Reads a string or an integer.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .string(text)
        } else {
            self = .integer(try container.decode(Int64.self))
        }
    }

    /// Writes a string or an integer.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .string(let text): try container.encode(text)
        case .integer(let number): try container.encode(number)
        }
    }
}

/// A type with a name.
public struct TypeDefinition: Codable, Hashable, Sendable {
    /// The name of the Swift type, with its module.
    public var name: String
    /// What its values look like.
    public var type: TypeDescription
    /// Whether there may be more to it: the type decodes itself in a way that could not be followed to its end.
    public var isPartial: Bool

    /// A definition.
    public init(name: String, type: TypeDescription, isPartial: Bool = false) {
        self.name = name
        self.type = type
        self.isPartial = isPartial
    }

    private enum CodingKeys: String, CodingKey {
        case name, type
        case isPartial = "partial"
    }

    /// Reads a definition.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        type = try container.decode(TypeDescription.self, forKey: .type)
        isPartial = try container.decodeIfPresent(Bool.self, forKey: .isPartial) ?? false
    }

    /// Writes the definition.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(type, forKey: .type)
        if isPartial { try container.encode(true, forKey: .isPartial) }
    }
}

extension TypeDescription {
    /// The descriptions that this one is made of.
    public var parts: [TypeDescription] {
        switch self {
        case .void, .bool, .integer, .float, .double, .string, .bytes, .date, .url, .uuid, .named, .service, .opaque: []
        case .optional(let part), .array(let part), .stream(let part), .state(let part), .rawEnumeration(let part, _): [part]
        case .dictionary(let key, let value), .pairs(let key, let value): [key, value]
        case .tuple(let parts): parts
        case .structure(let fields), .enumeration(let fields): fields.map(\.type)
        case .function(let parameters, let result): parameters + [result]
        case .stored(let content, let reference): [content, reference]
        }
    }
}
