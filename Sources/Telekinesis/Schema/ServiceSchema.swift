internal import TelekinesisProtocol

/// The structure of everything that the methods of a service take and return.
struct ServiceSchema: Sendable {
    /// What one method takes and returns.
    struct Signature: Sendable {
        let parameters: [TypeShape]
        let result: TypeShape?
    }

    /// Of the methods of its table, in their order; `nil` where the types are not known.
    let methods: [Signature?]
    /// Of a class, what `make` takes; of a function, its own.
    let call: Signature?
    /// The types that have names.
    let types: [NamedType]

    /// That of a type of actors.
    ///
    /// - Parameters:
    ///   - initializer: of a class, what `make` takes.
    ///   - node: for references that are made up; none of them leaves it.
    init(of table: MethodTable, initializer: [any Any.Type]? = nil, on node: Node) {
        let walk = ShapeWalk(on: node)
        methods = table.methods.map { method in
            method.resultType.map { Signature(parameters: method.parameterTypes.map { walk.shape(of: $0) }, result: walk.shape(of: $0)) }
        }
        call = initializer.map { Signature(parameters: $0.map { walk.shape(of: $0) }, result: nil) }
        types = walk.namedTypes
    }

    /// That of a function.
    init(of function: PublishedFunction, on node: Node) {
        let walk = ShapeWalk(on: node)
        let all = function.types.map { walk.shape(of: $0) }
        methods = []
        call = Signature(parameters: Array(all.dropLast()), result: all.last)
        types = walk.namedTypes
    }
}

extension MethodDescription {
    /// The same, with the structure of its types.
    func with(_ signature: ServiceSchema.Signature?) -> MethodDescription {
        var description = self
        description.parameters = signature?.parameters
        description.result = signature?.result
        return description
    }
}
