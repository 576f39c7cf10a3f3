package import Distributed
package import TelekinesisProtocol
internal import Synchronization

/// The distributed methods of one concrete actor type: all that can be called on its actors from elsewhere.
///
/// A table is made once per type from what the compiler left in the binary (``AccessibleFunctions``). It has the methods declared in the type and in its
/// extensions, in whatever module. Methods that a protocol extension gives are not in it, because their thunks are generic over the actor: declare them in the actor.
/// Access levels are not in the binary: a `private distributed func` can be called like any other.
///
/// **Names.** A method is found by the selector of its wire name, `increment(by:)`, and by that of the name with types, `increment(by:)(Int)`. Types are
/// written as people do, `[Int]` and `Int?`, with their module unless it is `Swift`. Where a type has two methods of one wire name, the caller's signature
/// hash tells which is meant, and without it the call is refused. So either end may have an overload that the other does not know of.
package final class MethodTable: Sendable {
    /// The actors' type.
    package let actorType: any DistributedActor.Type
    /// Its name, with its module.
    package let typeName: String
    /// All methods, by wire name; the ones that cannot be called have a ``Method/refusal``.
    package let methods: [Method]
    private let index: SelectorIndex
    /// By the identity of a stub type, what of it is missing here.
    private let missing = Mutex<[ObjectIdentifier: [String]]>([:])
    /// The methods with what their values look like, once something with them has been published.
    private let published = Mutex<[MethodDescription]?>(nil)

    private static let tables = Mutex<[ObjectIdentifier: MethodTable]>([:])

    /// The table of a type.
    ///
    /// - Throws: `invalidUse` when two methods of the type cannot be told apart on the wire.
    package static func of(_ type: any DistributedActor.Type) throws(TelekinesisError) -> MethodTable {
        let key = ObjectIdentifier(type)
        if let table = tables.withLock({ $0[key] }) { return table }
        let table = try MethodTable(type, methods: Self.methods(of: type))
        // Two threads may have made one each: the first stays.
        return tables.withLock { tables in
            if let table = tables[key] { return table }
            tables[key] = table
            return table
        }
    }

    /// A table of these methods.
    init(_ type: any DistributedActor.Type, methods: [Method]) throws(TelekinesisError) {
        actorType = type
        typeName = ThunkName.ownerName(_typeName(type, qualified: true))
        self.methods = methods.sorted { ($0.wireName, $0.typedWireName) < ($1.wireName, $1.typedWireName) }
        index = try SelectorIndex(self.methods, typeName: typeName)
    }

    /// The method that a call names, or nothing.
    ///
    /// - Parameter signatureHash: that of the caller; 0 when it does not know.
    package func method(_ selector: Selector, signatureHash: UInt32) throws(TelekinesisError) -> Method {
        if let method = index.method(selector) { return method }
        let found = index.methods(selector)
        if let meant = found.first(where: { $0.signatureHash == signatureHash }) { return meant }
        guard !found.isEmpty else {
            throw TelekinesisError(.noSuchMethod, "\(typeName) has no such method; it has \(Self.signatures(methods))", ran: .no)
        }
        throw TelekinesisError(.noSuchMethod, "several methods of \(typeName) have this name: \(Self.list(found)); add the types", ran: .no)
    }

    /// The method that a person names: by wire name, with types or without, or by its own name and the arguments given.
    ///
    /// - Parameter labels: of the arguments that are given, `_` or `nil` for those by position.
    package func method(named name: String, labels: [String?]) throws(TelekinesisError) -> Method {
        let exact = methods.filter { $0.wireName == name || $0.typedWireName == name }
        if exact.count == 1 { return exact[0] }
        let candidates = exact.isEmpty ? methods.filter { $0.wireName.prefix { $0 != "(" } == name } : exact
        let fitting = candidates.filter { method in
            GivenArguments.places(of: labels, in: method.labels) != nil
        }
        if fitting.count == 1 { return fitting[0] }
        if fitting.count > 1 {
            // What looks like a label may be part of a value: it is one rather, where a method has it.
            let labelled = fitting.filter { method in labels.allSatisfy { $0 == nil || $0 == "_" || method.labels.contains($0 ?? "_") } }
            if labelled.count == 1 { return labelled[0] }
            let names = Set(fitting.map(\.wireName)).count == fitting.count ? fitting.map(\.wireName) : fitting.map(\.typedWireName)
            let choices = names.map { "'\($0)'" }.joined(separator: ", ")
            throw TelekinesisError(.noSuchMethod, "\(name.quoted) may be any of \(choices): write one of these names in full", ran: .no)
        }
        guard !candidates.isEmpty else {
            throw TelekinesisError(.noSuchMethod, "\(typeName) has no method \(name.quoted); it has \(Self.signatures(methods))", ran: .no)
        }
        if candidates.count == 1 { throw GivenArguments.misfit(of: labels, in: candidates[0].labels, signature: candidates[0].signature) }
        throw TelekinesisError(.badArguments, "the arguments fit none of \(Self.signatures(candidates))", ran: .no)
    }

    /// Whether the type has every method of a `@Resolvable` protocol, given by its stub (`$CounterService`); every type covers itself.
    package func covers(_ stub: any DistributedActor.Type) -> Bool { missing(from: stub).isEmpty }

    /// The signatures of a stub's methods that the type does not have.
    package func missing(from stub: any DistributedActor.Type) -> [String] {
        guard ObjectIdentifier(stub) != ObjectIdentifier(actorType) else { return [] }
        guard stub is any _DistributedActorStub.Type else { return ["\(stub) is not the stub of a @Resolvable protocol"] }
        if let known = missing.withLock({ $0[ObjectIdentifier(stub)] }) { return known }
        let own = Set(methods.map(\.signature))
        let result = ThunkIndex.shared.signatures(of: stub).filter { !own.contains($0) }
        missing.withLock { $0[ObjectIdentifier(stub)] = result }
        return result
    }

    /// Finds out what the values of the methods look like, which runs their types' `init(from:)`: see ``TypeSurvey``.
    func describeTypes() {
        guard published.withLock({ $0 == nil }) else { return }
        let described = TypeSurvey.run { survey in methods.map { $0.description(in: survey) } }
        published.withLock { $0 = described }
    }

    /// The methods as a hub and its users see them.
    var descriptions: [MethodDescription] { published.withLock { $0 } ?? methods.map(\.description) }

    /// The methods in the binary that belong to `type`: their function types refer to its descriptor by address, and their names name it.
    private static func methods(of type: any DistributedActor.Type) -> [Method] {
        guard let descriptor = typeContextDescriptor(unsafeBitCast(type as any Any.Type, to: UnsafeRawPointer.self)) else { return [] }
        let name = ThunkName.ownerName(_typeName(type, qualified: true))
        var seen: Set<String> = []
        return AccessibleFunctions.all().compactMap { function in
            guard function.refers(to: descriptor), let thunk = ThunkName(mangled: function.mangledName),
                name == thunk.owner || name.hasSuffix("." + thunk.owner), seen.insert(function.name).inserted
            else { return nil }
            return Method(thunk, function: function, of: type)
        }
    }

    /// For people: methods as they are declared. Of many the first ones.
    private static func signatures(_ methods: [Method]) -> String {
        let shown = methods.prefix(10).map(\.signature).joined(separator: ", ")
        return methods.isEmpty ? "none" : methods.count > 10 ? "\(shown), and \(methods.count - 10) more" : shown
    }

    private static func list(_ methods: [Method]) -> String {
        methods.isEmpty ? "none" : methods.map(\.typedWireName).joined(separator: ", ")
    }
}

@_silgen_name("swift_getTypeContextDescriptor")
private func typeContextDescriptor(_ metadata: UnsafeRawPointer) -> UnsafeRawPointer?
