internal import Distributed
internal import TelekinesisProtocol

/// Finds out the structure of types, and of the types within them, by having them decode themselves from a decoder that notes what they ask for.
///
/// The notes are good for what the compiler makes (synthesised `Codable`) and for much of what people write. What a type does after an error that it
/// meets is not seen: then the names of its other fields are known, where its keys are an enum, and not their types.
///
/// A type's `init(from:)` gets made-up values. One that ends the process because of those would do so here, which is why nobody else can begin a walk:
/// it belongs to publishing (decision 026).
final class ShapeWalk {
    /// No value can be made up.
    struct NoSample: Error {}

    /// How many times a decoder may be asked for something, in one walk: a type that asks without end is not known.
    private static let maximumSteps = 100_000
    /// How deep types are probed within each other.
    private static let maximumDepth = 64

    /// For references that are made up.
    let node: Node
    /// A reference to nothing.
    let nobody = ActorTarget(.object(.random()), .remote)
    private(set) var types: [String: NamedType] = [:]
    private var names: [ObjectIdentifier: String] = [:]
    private var steps = 0
    private var depth = 0

    init(on node: Node) { self.node = node }

    /// The types that were met and have names of their own, sorted.
    var namedTypes: [NamedType] { types.values.sorted { $0.name < $1.name } }

    /// The structure of a type.
    func shape(of type: any Any.Type) -> TypeShape {
        if type == Void.self { return TypeShape(.void) }
        if let known = type as? any ShapedType.Type { return known.shape(in: self) }
        let name = RuntimeTypes.name(of: type)
        if let object = type as? any DistributedActor.Type { return TypeShape(.object, name: Self.name(ofObject: object)) }
        if let stored = type as? any Storable.Type { return TypeShape(.stored, name: name, of: [reference(of: stored)]) }
        guard let decodable = type as? any Decodable.Type else { return TypeShape(.opaque, name: name) }
        return named(decodable, name)
    }

    /// `Shop.Listener` for its stub, `Shop.$Listener`, too.
    private static func name(ofObject type: any DistributedActor.Type) -> String {
        RuntimeTypes.name(of: type).split(separator: ".").map { $0.hasPrefix("$") ? $0.dropFirst() : $0 }.joined(separator: ".")
    }

    private func reference<Value: Storable>(of type: Value.Type) -> TypeShape { shape(of: Value.Reference.self) }

    // MARK: Types with names

    private func named<Value: Decodable>(_ type: Value.Type, _ text: String) -> TypeShape {
        if let name = names[ObjectIdentifier(type)] { return TypeShape(.named, name: name) }
        var (name, number) = (text, 1)
        // Private types of one name.
        while types[name] != nil {
            number += 1
            name = "\(text) (\(number))"
        }
        names[ObjectIdentifier(type)] = name
        // Noted before it is looked into: it may be within itself.
        types[name] = NamedType(name: name, shape: TypeShape(.opaque, name: name))
        types[name] = definition(of: type, name)
        return TypeShape(.named, name: name)
    }

    private func definition<Value: Decodable>(of type: Value.Type, _ name: String) -> NamedType {
        let notes = DecodingNotes()
        let isWhole = (try? probe(type, notes)) != nil
        switch notes.form {
        case .nothing where isWhole: return NamedType(name: name, shape: TypeShape(.record))
        case .nothing: return NamedType(name: name, shape: TypeShape(.opaque, name: name))
        case .single(let shape):
            return NamedType(name: name, shape: shape, cases: Self.rawValues(of: type).map { NamedType.Case($0) })
        case .list: return NamedType(name: name, shape: notes.shape(isWhole: isWhole))
        case .fields:
            if RuntimeTypes.isEnum(type), let keys = notes.offeredKeys {
                return NamedType(name: name, shape: nil, cases: keys.indices.map { enumCase(of: type, $0, keys[$0]) })
            }
            return NamedType(name: name, shape: notes.shape(isWhole: isWhole))
        }
    }

    private func enumCase<Value: Decodable>(of type: Value.Type, _ index: Int, _ key: String) -> NamedType.Case {
        let notes = DecodingNotes(offering: index)
        let isWhole = (try? probe(type, notes)) != nil
        // What a case carries is a record of its own under its name.
        let payload = notes.shape(isWhole: true).fields.first { $0.name == key }?.type.fields ?? []
        return NamedType.Case(key, fields: isWhole || !payload.isEmpty ? payload : [FieldShape("_0", TypeShape(.opaque, name: "?"))])
    }

    /// The values of an enum of texts or numbers, as text; none when they cannot be known.
    private static func rawValues<Value>(of type: Value.Type) -> [String] {
        RuntimeTypes.values(of: type)?.compactMap { ($0 as? any RawRepresentable).map { "\($0.rawValue)" } } ?? []
    }

    // MARK: Probing

    /// Some value of a type.
    ///
    /// - Throws: when its `init(from:)` does not take what is made up.
    func sample<Value>(of type: Value.Type) throws -> Value {
        try countStep()
        if let known = type as? any ShapedType.Type, let value = try known.sample(in: self) as? Value { return value }
        if let value = RuntimeTypes.values(of: type)?.first { return value }
        if let object = type as? any DistributedActor.Type, let value = try proxy(object) as? Value { return value }
        guard !(type is any Storable.Type), let decodable = type as? any Decodable.Type,
            let value = try probe(decodable, DecodingNotes()) as? Value
        else { throw NoSample() }
        return value
    }

    private func proxy<Object: DistributedActor>(_ type: Object.Type) throws -> any DistributedActor {
        guard let id = ActorID(nobody) as? Object.ID, let system = node as? Object.ActorSystem else { throw NoSample() }
        return try Object.resolve(id: id, using: system)
    }

    private func probe<Value: Decodable>(_ type: Value.Type, _ notes: DecodingNotes) throws -> Value {
        guard depth < Self.maximumDepth else { throw NoSample() }
        depth += 1
        defer { depth -= 1 }
        return try CodingScope.outside { try Value(from: NotingDecoder(notes, walk: self)) }
    }

    /// - Throws: when the walk has taken too many.
    func countStep() throws {
        steps += 1
        guard steps < Self.maximumSteps else { throw NoSample() }
    }
}
