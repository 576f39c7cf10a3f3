/// What the values of a type look like, for those who do not have the type: other languages, forms, documentation.
public struct TypeShape: Hashable, Sendable {
    /// What kind of values they are.
    public enum Kind: String, Codable, Sendable {
        case bool, int, uint, float, string, bytes, date
        /// One of ``TypeShape/parts``, or nothing.
        case optional
        /// Any number of the first of ``TypeShape/parts``.
        case array
        /// One of each of ``TypeShape/parts``, in this order.
        case tuple
        /// Keys and values of ``TypeShape/parts``.
        case dictionary
        /// Named ``TypeShape/fields``, of a type without a name of its own.
        case record
        /// The type ``TypeShape/name`` of ``ServiceDescription/types``.
        case named
        /// A reference to an object, whose type is ``TypeShape/name``.
        case object
        /// A reference to a function: parameters and, last, the result are ``TypeShape/parts``.
        case function
        /// Elements of the first of ``TypeShape/parts``, one after the other.
        case stream
        /// A value of the first of ``TypeShape/parts`` that others follow.
        case state
        /// A value that is stored somewhere else (``TypeShape/name``); what travels is the first of ``TypeShape/parts``, where that is known.
        case stored
        /// Nothing: the result of a method without one.
        case void
        /// Not known; ``TypeShape/name`` is the Swift type's.
        case opaque
    }

    /// What kind of values they are.
    public var kind: Kind
    /// Bits of a number.
    public var bits: Int?
    /// The name of the type, for kinds that have one.
    public var name: String?
    /// The types that it is made of.
    public var parts: [TypeShape]
    /// The fields of a record.
    public var fields: [FieldShape]

    /// A shape.
    public init(_ kind: Kind, bits: Int? = nil, name: String? = nil, of parts: [TypeShape] = [], fields: [FieldShape] = []) {
        self.kind = kind
        self.bits = bits
        self.name = name
        self.parts = parts
        self.fields = fields
    }
}

/// A named part of a value.
public struct FieldShape: Codable, Hashable, Sendable {
    /// Its name on the wire.
    public var name: String
    /// What its values look like.
    public var type: TypeShape
    /// Whether it may be missing.
    public var mayBeMissing: Bool

    /// A field.
    public init(_ name: String, _ type: TypeShape, mayBeMissing: Bool = false) {
        self.name = name
        self.type = type
        self.mayBeMissing = mayBeMissing
    }
}

/// A type of a service that has a name and a structure of its own.
public struct NamedType: Codable, Hashable, Sendable {
    /// One of the things that a value of an enum may be.
    public struct Case: Codable, Hashable, Sendable {
        /// Its name; of an enum of texts or numbers, its value as text.
        public var name: String
        /// What it carries.
        public var fields: [FieldShape]

        /// A case.
        public init(_ name: String, fields: [FieldShape] = []) {
            self.name = name
            self.fields = fields
        }
    }

    /// The name of the type, with its module.
    public var name: String
    /// What its values look like: a record, or the text or number that they are; `nil` for an enum whose cases are maps of one entry, the case's name
    /// and what it carries.
    public var shape: TypeShape?
    /// Of an enum, its cases. Empty: it is none, or they are not known.
    public var cases: [Case]

    /// A type.
    public init(name: String, shape: TypeShape?, cases: [Case] = []) {
        self.name = name
        self.shape = shape
        self.cases = cases
    }
}

extension TypeShape: Codable {
    private enum CodingKeys: String, CodingKey {
        case kind, bits, name, fields
        case parts = "of"
    }

    /// Reads a shape. A kind of a later version is opaque.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        kind = Kind(rawValue: try container.decode(String.self, forKey: .kind)) ?? .opaque
        bits = try container.decodeIfPresent(Int.self, forKey: .bits)
        name = try container.decodeIfPresent(String.self, forKey: .name)
        parts = try container.decodeIfPresent([TypeShape].self, forKey: .parts) ?? []
        fields = try container.decodeIfPresent([FieldShape].self, forKey: .fields) ?? []
    }

    /// Writes what there is.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind.rawValue, forKey: .kind)
        try container.encodeIfPresent(bits, forKey: .bits)
        try container.encodeIfPresent(name, forKey: .name)
        if !parts.isEmpty { try container.encode(parts, forKey: .parts) }
        if !fields.isEmpty { try container.encode(fields, forKey: .fields) }
    }
}

extension TypeShape: CustomStringConvertible {
    /// As one would write the type: `[String: Shop.Item]`.
    public var description: String {
        func part(_ index: Int) -> String { parts.indices.contains(index) ? parts[index].description : "?" }
        switch kind {
        case .bool: return "Bool"
        case .int: return bits.map { $0 == 64 ? "Int" : "Int\($0)" } ?? "Int"
        case .uint: return bits.map { $0 == 64 ? "UInt" : "UInt\($0)" } ?? "UInt"
        case .float: return bits == 32 ? "Float" : "Double"
        case .string: return "String"
        case .bytes: return "Bytes"
        case .date: return "Date"
        case .optional: return part(0) + "?"
        case .array: return "[\(part(0))]"
        case .tuple: return "(\(parts.map(\.description).joined(separator: ", ")))"
        case .dictionary: return "[\(part(0)): \(part(1))]"
        case .record: return "{\(fields.map(\.description).joined(separator: ", "))}"
        case .function:
            return "(\(parts.dropLast().map(\.description).joined(separator: ", "))) -> \(parts.last?.description ?? "?")"
        case .stream: return "stream of \(part(0))"
        case .state: return "state of \(part(0))"
        case .stored: return "stored \(name ?? part(0))"
        case .void: return "Void"
        case .named, .object, .opaque: return name ?? kind.rawValue
        }
    }
}

extension FieldShape: CustomStringConvertible {
    /// `price: Double`; with a question mark behind the name where it may be missing.
    public var description: String { "\(name)\(mayBeMissing ? "?" : ""): \(type)" }
}

extension NamedType: CustomStringConvertible {
    /// Its name, and what its values are.
    public var description: String {
        if !cases.isEmpty {
            let cases = cases.map { one in
                guard !one.fields.isEmpty else { return one.name }
                // What has no label in Swift is called `_0`, `_1` on the wire.
                return "\(one.name)(\(one.fields.map(\.description).joined(separator: ", ")))"
            }
            return "\(name): \(shape.map { "\($0), " } ?? "")one of \(cases.joined(separator: " | "))"
        }
        return "\(name): \(shape?.description ?? "not known")"
    }
}
