extension TypeDescription: CustomStringConvertible {
    /// As one would write it in Swift, where Swift has a way to write it.
    public var description: String {
        switch self {
        case .void: "Void"
        case .bool: "Bool"
        case .integer(let bits, let isSigned): (isSigned ? "Int" : "UInt") + (bits == 64 ? "" : "\(bits)")
        case .float: "Float"
        case .double: "Double"
        case .string: "String"
        case .bytes: "[UInt8]"
        case .date: "Date"
        case .url: "URL"
        case .uuid: "UUID"
        case .optional(let wrapped): wrapped.isFunction ? "(\(wrapped))?" : "\(wrapped)?"
        case .array(let element): "[\(element)]"
        case .dictionary(let key, let value), .pairs(let key, let value): "[\(key): \(value)]"
        case .tuple(let elements): "(\(Self.list(elements)))"
        case .structure(let fields): "(\(fields.map(\.description).joined(separator: ", ")))"
        case .enumeration(let cases): cases.map(\.asCase).joined(separator: " | ")
        case .rawEnumeration(_, let cases): cases.map(\.description).joined(separator: " | ")
        case .named(let name), .service(let name): name
        case .function(let parameters, let result): "(\(Self.list(parameters))) -> \(result)"
        case .stream(let element): "RemoteStream<\(element)>"
        case .state(let value): "RemoteState<\(value)>"
        case .stored(let content, _): "Stored<\(content)>"
        case .opaque(let name): name
        }
    }

    private var isFunction: Bool { if case .function = self { true } else { false } }

    private static func list(_ types: [TypeDescription]) -> String { types.map(\.description).joined(separator: ", ") }
}

extension FieldDescription: CustomStringConvertible {
    /// `name: Type`, with a question mark where it may be missing.
    public var description: String { "\(name): \(isOptional ? .optional(type) : type)" }

    /// As a case: `circle(radius: Double)`.
    public var asCase: String {
        switch type {
        case .structure(let fields) where fields.isEmpty: name
        // Swift's own names of parameters without a label.
        case .structure(let fields): "\(name)(\(fields.map { $0.isUnlabelled ? "\($0.shown)" : $0.description }.joined(separator: ", ")))"
        default: "\(name)(\(type))"
        }
    }

    private var isUnlabelled: Bool { name.first == "_" && Int(name.dropFirst()) != nil }

    private var shown: TypeDescription { isOptional ? .optional(type) : type }
}

extension RawCase: CustomStringConvertible {
    /// The name, and the value where that is another.
    public var description: String {
        switch value {
        case .string(name): name
        case .string(let text): "\(name) = \"\(text)\""
        case .integer(let number): "\(name) = \(number)"
        }
    }
}
