internal import TelekinesisProtocol

/// What a type asked its decoder for, at one place.
final class Recording {
    /// What stands at a place within this one.
    enum Content {
        case type(TypeDescription)
        case place(Recording)

        /// - Parameter name: of the type that decodes itself.
        func description(in name: String) -> TypeDescription {
            switch self {
            case .type(let type): type
            case .place(let recording): recording.description(in: name)
            }
        }
    }

    /// What was asked for by key, in order.
    private(set) var fields: [(key: String, content: Content)] = []
    private var index: [String: Int] = [:]
    private(set) var elements: [Content] = []
    private(set) var single: TypeDescription?
    private(set) var kinds: Kinds = []
    /// The keys of which there can be no others: what travels, and the case's name.
    private(set) var knownKeys: [(key: String, name: String)] = []
    /// Whether somebody asked how many elements there are.
    var countsElements = false
    /// Whether nil was asked for.
    var mayBeNil = false
    /// Whether all keys were asked for, where there are known ones.
    var enumerates = false
    /// The key that was made up where any may be.
    var madeUpKey: String?

    /// What was asked for.
    struct Kinds: OptionSet {
        let rawValue: Int
        static let keys = Kinds(rawValue: 1)
        static let elements = Kinds(rawValue: 2)
        static let value = Kinds(rawValue: 4)
    }

    /// Keys of which somebody asked whether they are there.
    private var optionalKeys: Set<String> = []
    /// Whether different things were asked for, so that it can be any of them, or the asking had no end.
    var isAmbiguous = false

    func note(_ kind: Kinds) { kinds.insert(kind) }

    func note(keys: [(key: String, name: String)]) {
        for key in keys where !knownKeys.contains(where: { $0.key == key.key }) { knownKeys.append(key) }
    }

    func note(_ content: Content, at key: String) {
        if index[key] == nil {
            index[key] = fields.count
            fields.append((key, content))
        }
    }

    func note(optional key: String) { optionalKeys.insert(key) }

    /// An element; again in another attempt.
    func note(element: Content, at index: Int) {
        if index == elements.count { elements.append(element) }
    }

    func note(value: TypeDescription) {
        if let single, single != value { isAmbiguous = true }
        single = value
    }

    /// The place below a key, the same one however often it is asked for.
    func place(at key: String) -> Recording {
        if let index = index[key], case .place(let place) = fields[index].content { return place }
        let place = Recording()
        note(.place(place), at: key)
        return place
    }

    /// The place of an element.
    func place(at index: Int) -> Recording {
        if elements.indices.contains(index), case .place(let place) = elements[index] { return place }
        let place = Recording()
        note(element: .place(place), at: index)
        return place
    }

    /// Whether one kind of thing was asked for, or nothing at all.
    var isPlain: Bool { kinds.rawValue.nonzeroBitCount <= 1 && !isAmbiguous }

    /// Whether everything was asked for that can be, here and in the places below.
    var isComplete: Bool {
        knownKeys.allSatisfy { index[$0.key] != nil }
            && fields.allSatisfy { if case .place(let place) = $0.content { place.isComplete } else { true } }
    }

    /// - Parameter name: of the type that decodes itself.
    func description(in name: String) -> TypeDescription {
        guard isPlain else { return .opaque(name) }
        if kinds.contains(.keys) {
            if let madeUpKey, fields.count == 1, fields[0].key == madeUpKey {
                return .dictionary(key: .string, value: fields[0].content.description(in: name))
            }
            return .structure(fieldDescriptions(in: name))
        }
        if kinds.contains(.elements) {
            let elements = elements.map { $0.description(in: name) }
            guard countsElements else { return .tuple(elements) }
            guard let first = elements.first, elements.allSatisfy({ $0 == first }) else { return .array(.opaque(name)) }
            return .array(first)
        }
        guard let single else { return kinds.isEmpty ? .structure([]) : .opaque(name) }
        return mayBeNil ? .optional(single) : single
    }

    func fieldDescriptions(in name: String) -> [FieldDescription] {
        fields.map { key, content in
            FieldDescription(name: key, type: content.description(in: name), isOptional: optionalKeys.contains(key))
        }
    }
}
