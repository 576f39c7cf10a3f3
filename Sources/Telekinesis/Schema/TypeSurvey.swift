internal import Distributed
internal import FoundationEssentials
internal import Synchronization
internal import TelekinesisProtocol

/// Finds out what values of types look like when they travel, by having the types decode themselves from a decoder that only listens.
///
/// It runs `init(from:)` of users' types with values that are made up: they may throw, ask for whatever they like, and never come to an end of asking. What
/// they may not do is trap, just as they may not when a caller sends such values: so types are looked at when something is published, where the
/// programmer sees it, and never because somebody asks (decision 026). A survey belongs to one thread; what it finds out is kept for the process.
final class TypeSurvey {
    /// What types may cost that never come to an end.
    enum Limit {
        /// Questions to the decoder, each time that a type decodes itself.
        static let questions = 4_000
        /// Questions in one survey.
        static let allQuestions = 1_000_000
        /// Types within types.
        static let depth = 48
        /// Containers within containers of one type.
        static let places = 8
        /// Cases of an enumeration.
        static let cases = 1_000
    }

    /// What is known of the process' types.
    private struct Known {
        /// The name under which a type is defined. Private types of different files may share one.
        var names: [ObjectIdentifier: String] = [:]
        var owners: [String: ObjectIdentifier] = [:]
        var definitions: [String: TypeDefinition] = [:]
    }

    private static let known = Mutex(Known())

    /// A type that decodes itself at present.
    private struct UnderWay {
        /// Of an enumeration, how many cases it has.
        var caseCount = 0
        /// Those that are being tried.
        var cases: Set<Int> = []
    }

    private var underWay: [ObjectIdentifier: UnderWay] = [:]
    /// What types have made of values that were made up.
    private var values: [ObjectIdentifier: Any] = [:]
    /// Types that have decoded themselves, whether or not that made a value.
    private var examined: Set<ObjectIdentifier> = []
    private var depth = 0
    private var questions = 0

    private init() {}

    /// Describes types, on this thread.
    static func run<Result>(_ body: (TypeSurvey) -> Result) -> Result { CodingScope.outside { body(TypeSurvey()) } }

    /// The definitions of all named types that descriptions consist of, by name.
    static func definitions(for descriptions: [TypeDescription]) -> [TypeDefinition] {
        var found: [String: TypeDefinition] = [:]
        var next = descriptions
        while let type = next.popLast() {
            next += type.parts
            guard case .named(let name) = type, found[name] == nil, let definition = known.withLock({ $0.definitions[name] }) else {
                continue
            }
            found[name] = definition
            next.append(definition.type)
        }
        return found.values.sorted { $0.name < $1.name }
    }

    // MARK: Descriptions

    /// What values of a type look like.
    func describe(_ type: any Any.Type) -> TypeDescription {
        if let scalar = Self.scalars[ObjectIdentifier(type)] { return scalar.description }
        if let type = type as? any SelfDescribed.Type { return type.description(in: self) }
        if let type = type as? any DescribedContainer.Type { return type.description(in: self) }
        let name = TypeReflection.name(of: type)
        if type is any DistributedActor.Type { return .service(type is any _DistributedActorStub.Type ? Self.protocolName(name) : name) }
        if let type = type as? any Storable.Type { return .stored(content: .opaque(name), reference: describe(Self.reference(of: type))) }
        guard let type = type as? any Decodable.Type else { return .opaque(name) }
        return .named(define(type, as: name))
    }

    private static func reference<Value: Storable>(of type: Value.Type) -> any Any.Type { Value.Reference.self }

    /// `Shop.Listener` for its stub, `Shop.$Listener`.
    private static func protocolName(_ name: String) -> String {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        if let last = parts.popLast() { parts.append(last.first == "$" ? last.dropFirst() : last) }
        return parts.joined(separator: ".")
    }

    /// The name under which a type is described in the table.
    private func define<Value: Decodable>(_ type: Value.Type, as printed: String) -> String {
        let id = ObjectIdentifier(type)
        let (name, isDefined) = Self.known.withLock { known in
            if let name = known.names[id] { return (name, known.definitions[name] != nil) }
            var (name, number) = (printed, 1)
            while known.owners[name] != nil {
                number += 1
                name = "\(printed) #\(number)"
            }
            known.names[id] = name
            known.owners[name] = id
            return (name, false)
        }
        guard !isDefined, !examined.contains(id) else { return name }
        let definition =
            depth < Limit.depth ? examine(type, as: name) : TypeDefinition(name: name, type: .opaque(printed), isPartial: true)
        Self.known.withLock { known in
            // Two threads may have made one each: the first stays.
            if known.definitions[name] == nil { known.definitions[name] = definition }
        }
        return name
    }

    // MARK: Examining

    /// Has a type decode itself, in one manner after the other.
    private func examine<Value: Decodable>(_ type: Value.Type, as name: String) -> TypeDefinition {
        let id = ObjectIdentifier(type)
        examined.insert(id)
        underWay[id] = UnderWay()
        defer { underWay[id] = nil }
        let raw = RawCases.of(type)
        let recording = Recording()
        var hasDecoded = attempt(type, recording, given: raw?.first)
        if recording.enumerates {
            for index in 1..<max(1, underWay[id]?.caseCount ?? 0) { attempt(type, recording, choosing: index) }
            guard recording.isPlain else { return TypeDefinition(name: name, type: .opaque(name)) }
            return TypeDefinition(
                name: name, type: .enumeration(recording.fieldDescriptions(in: name)), isPartial: !recording.isComplete)
        }
        if !hasDecoded { hasDecoded = attempt(type, recording, .opposite, given: raw?.first) }
        let refused = Recording()
        attempt(type, refused, .refusing)
        guard recording.isPlain, refused.isPlain, hasDecoded || !recording.kinds.isEmpty else {
            return TypeDefinition(name: name, type: .opaque(name))
        }
        let description = recording.description(in: name)
        if let raw, description == raw.type { return TypeDefinition(name: name, type: .rawEnumeration(raw.type, raw.cases)) }
        // An enumeration that asks for keys of its own choice does so according to what stands under some of them.
        let mayHaveMore = TypeReflection.isEnumeration(type) && recording.kinds == .keys
        guard !recording.isComplete, case .structure(let fields) = description else {
            return TypeDefinition(name: name, type: description, isPartial: mayHaveMore || !recording.isComplete)
        }
        let rest = hasDecoded ? nil : restOfFields(of: type, recording, fields)
        return TypeDefinition(name: name, type: .structure(fields + (rest ?? [])), isPartial: mayHaveMore || rest == nil)
    }

    /// The fields that were not asked for any more because a value before them could not be made: the type's properties of the same names, if all that were
    /// asked for are properties as well, as they are wherever the compiler wrote `init(from:)`.
    ///
    /// - Returns: `nil` when it did not.
    private func restOfFields(of type: any Any.Type, _ recording: Recording, _ fields: [FieldDescription]) -> [FieldDescription]? {
        let properties = TypeReflection.storedProperties(of: type)
        var rest: [FieldDescription] = []
        for (key, name) in recording.knownKeys {
            guard let property = properties[name] else { return nil }
            let described = describe(property)
            let field: FieldDescription =
                if case .optional(let wrapped) = described {
                    FieldDescription(name: key, type: wrapped, isOptional: true)
                } else {
                    FieldDescription(name: key, type: described)
                }
            if let known = fields.first(where: { $0.name == key }) {
                guard known == field else { return nil }
            } else {
                rest.append(field)
            }
        }
        return rest
    }

    /// Has a type decode itself once.
    ///
    /// - Parameters:
    ///   - recording: what it asks for is noted there.
    ///   - given: what it gets in place of a made-up value.
    ///   - index: the case that it gets, if it is an enumeration.
    /// - Returns: whether a value came of it.
    @discardableResult
    private func attempt<Value: Decodable>(
        _ type: Value.Type, _ recording: Recording, _ manner: Probe.Manner = .usual, given: (any Sendable)? = nil, choosing index: Int = 0
    ) -> Bool {
        let id = ObjectIdentifier(type)
        guard depth < Limit.depth, mayAsk() else { return false }
        depth += 1
        underWay[id]?.cases.insert(index)
        let probe = Probe(self, type, recording, manner, given: given, choosing: index)
        defer {
            depth -= 1
            underWay[id]?.cases.remove(index)
            probe.end()
        }
        guard let value = try? type.init(from: ProbingDecoder(probe, recording)) else { return false }
        if values[id] == nil { values[id] = value }
        return true
    }

    // MARK: What probes ask

    /// Counts a question. Types that never come to an end of asking get no more answers.
    func mayAsk() -> Bool {
        questions += 1
        return questions <= Limit.allQuestions
    }

    /// The type is an enumeration that asks which of its cases it gets.
    func note(_ caseCount: Int, of type: any Any.Type) { underWay[ObjectIdentifier(type)]?.caseCount = min(caseCount, Limit.cases) }

    /// A value of a type.
    ///
    /// - Throws: when none can be made up.
    func value<Value: Decodable>(of type: Value.Type) throws -> Value {
        let id = ObjectIdentifier(type)
        if let value = Self.scalars[id]?.value as? Value { return value }
        if let container = type as? any DescribedContainer.Type { return Self.empty(container) }
        if let value = values[id] as? Value { return value }
        if let attempted = underWay[id] {
            // Of a tree, a leaf.
            for index in 0..<attempted.caseCount where !attempted.cases.contains(index) {
                if attempt(type, Recording(), choosing: index) { break }
            }
        } else if !examined.contains(id) {
            _ = examine(type, as: TypeReflection.name(of: type))
        }
        guard let value = values[id] as? Value else { throw Probe.NoValue() }
        return value
    }

    private static func empty<Container: DescribedContainer, Value>(_: Container.Type) -> Value {
        unsafeBitCast(Container.empty, to: Value.self)
    }

    // MARK: Scalars

    private struct Scalar: Sendable {
        let description: TypeDescription
        /// Neither zero nor empty, which types are more likely to refuse; as a text, a number too.
        let value: any Sendable
    }

    private static let scalars: [ObjectIdentifier: Scalar] = {
        var scalars: [ObjectIdentifier: Scalar] = [:]
        func add<Value: Sendable>(_ value: Value, _ description: TypeDescription) {
            scalars[ObjectIdentifier(Value.self)] = Scalar(description: description, value: value)
        }
        func add<Value: FixedWidthInteger & Sendable>(_: Value.Type) {
            add(Value(1), .integer(bits: Value.bitWidth, signed: Value.isSigned))
        }
        add((), .void)
        add(true, .bool)
        add(Int.self)
        add(Int8.self)
        add(Int16.self)
        add(Int32.self)
        add(Int64.self)
        add(Int128.self)
        add(UInt.self)
        add(UInt8.self)
        add(UInt16.self)
        add(UInt32.self)
        add(UInt64.self)
        add(UInt128.self)
        add(Float(1), .float)
        add(Double(1), .double)
        add("1", .string)
        add([UInt8](), .bytes)
        add(Data(), .bytes)
        add(Date(timeIntervalSinceReferenceDate: 0), .date)
        add(URL(filePath: "/"), .url)
        add(UUID(), .uuid)
        return scalars
    }()
}
