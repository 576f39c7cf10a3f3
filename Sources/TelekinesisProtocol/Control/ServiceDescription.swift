/// What a published object says about itself.
public struct ServiceDescription: Codable, Sendable {
    /// What it is.
    public var kind: ServiceKind
    /// The name of its Swift type; for a function, its signature.
    public var type: String
    /// Its methods; for a class, those of its instances; for a function, the one of calling it.
    public var methods: [MethodDescription]
    /// For a class: what `make` takes.
    public var initializer: MethodDescription?
    /// The types with a name that its methods take and return, and those that these consist of, by name; `nil` when its provider does not tell.
    public var types: [TypeDefinition]?

    /// A description.
    public init(
        kind: ServiceKind, type: String, methods: [MethodDescription], initializer: MethodDescription? = nil,
        types: [TypeDefinition]? = nil
    ) {
        self.kind = kind
        self.type = type
        self.methods = methods
        self.initializer = initializer
        self.types = types
    }
}

/// One method of a service.
public struct MethodDescription: Codable, Sendable {
    /// The name on the wire: `increment(by:)`.
    public var name: String
    /// The signature as one would write it: `increment(by: Int) -> Int`.
    public var signature: String
    /// Labels of the parameters; `_` for none.
    public var labels: [String]
    /// Types of the parameters.
    public var parameterTypes: [String]
    /// The type of the result; `Void` for none.
    public var resultType: String
    /// Whether it may throw errors of its own. Always true for now: what the compiler leaves in the binary does not tell.
    public var `throws`: Bool
    /// Why it cannot be called from elsewhere, as a generic method cannot; `nil` when it can.
    public var refusal: String?
    /// What values of the parameters look like; `nil` when its provider does not tell, and where they can be of any type: of a generic method.
    public var parameters: [TypeDescription]?
    /// What the result looks like; `nil` when its provider does not tell.
    public var result: TypeDescription?

    /// A description.
    public init(
        name: String, signature: String, labels: [String], parameterTypes: [String], resultType: String, throws: Bool,
        refusal: String? = nil, parameters: [TypeDescription]? = nil, result: TypeDescription? = nil
    ) {
        self.name = name
        self.signature = signature
        self.labels = labels
        self.parameterTypes = parameterTypes
        self.resultType = resultType
        self.throws = `throws`
        self.refusal = refusal
        self.parameters = parameters
        self.result = result
    }
}
