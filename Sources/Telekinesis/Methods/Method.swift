package import Distributed
package import TelekinesisProtocol

/// One distributed method of one actor type, with everything prepared that a call needs.
package final class Method: Sendable {
    /// The concrete type of the actors that have it.
    package let actorType: any DistributedActor.Type
    /// The name on the wire: `increment(by:)`; a `distributed var value` is `value()`.
    package let wireName: String
    /// The wire name with the types of the parameters appended: `increment(by:)(Int)`. It tells overloads apart; every method has one.
    package let typedWireName: String
    /// The labels of the parameters; `_` for none.
    package let labels: [String]
    /// The types of the parameters as one would write them, with their module unless it is `Swift`.
    package let parameterTypeNames: [String]
    /// The type of the result as one would write it; `Void` for none.
    package let resultTypeName: String
    /// As one would write it: `increment(by: Int) -> Int`.
    package let signature: String
    /// FNV-1a-32 of the signature; never 0.
    package let signatureHash: UInt32
    /// The name of its thunk, as in `RemoteCallTarget.identifier`.
    package let mangledName: String
    /// The types of the parameters; empty when they are not known.
    package let parameterTypes: [any Any.Type]
    /// The type of the result; `nil` when it is not known.
    package let resultType: (any Any.Type)?
    /// Whether the method, or its actor's type, is generic.
    package let isGeneric: Bool
    /// Why it cannot be called from elsewhere; `nil` when it can.
    package let refusal: String?
    /// What executing it takes; `nil` when it is refused.
    let preparation: Preparation?

    /// The hash of the wire name.
    package var selector: Selector { Selector(wireName: wireName) }
    /// The hash of the wire name with types.
    package var typedSelector: Selector { Selector(wireName: typedWireName) }

    /// A method of `actorType`, whose record is `function`.
    init(_ thunk: ThunkName, function: AccessibleFunction, of actorType: any DistributedActor.Type) {
        self.actorType = actorType
        wireName = thunk.wireName
        typedWireName = thunk.typedWireName
        labels = thunk.labels
        parameterTypeNames = thunk.parameterTypes
        resultTypeName = thunk.resultType
        signature = thunk.signature
        signatureHash = thunk.signatureHash
        mangledName = function.name
        isGeneric = function.isGeneric
        guard !isGeneric else {
            parameterTypes = []
            resultType = nil
            preparation = nil
            refusal = "\(thunk.signature) is generic, or a method of a generic actor: a call cannot say which types are meant"
            return
        }
        let types = SignatureTypes(mangledName: function.mangledName, parameterCount: thunk.labels.count)
        parameterTypes = types?.parameters ?? []
        resultType = types?.result
        preparation = types.flatMap { Preparation(accessor: function.accessor, types: $0, actorType: actorType) }
        refusal =
            preparation == nil
            ? "the types of \(thunk.signature) cannot be found at run time: make them public or internal, outside of functions" : nil
    }

    /// The method as a hub and its users see it.
    package var description: MethodDescription {
        // A thunk always throws, and nothing else is in the binary: whether the method itself does cannot be known.
        MethodDescription(
            name: wireName, signature: signature, labels: labels, parameterTypes: parameterTypeNames, resultType: resultTypeName,
            throws: true,
            refusal: refusal)
    }

    /// The same with what its values look like.
    func description(in survey: TypeSurvey) -> MethodDescription {
        resultType.map { description.describing(SignatureTypes(parameters: parameterTypes, result: $0), in: survey) } ?? description
    }
}

/// The types of a method's parameters and result, as its mangled name gives them.
struct SignatureTypes {
    let parameters: [any Any.Type]
    let result: any Any.Type

    init(parameters: [any Any.Type], result: any Any.Type) {
        self.parameters = parameters
        self.result = result
    }

    /// The types of a function whose parameters are a pack.
    static func of<each Argument>(_ parameters: repeat (each Argument).Type, result: any Any.Type) -> SignatureTypes {
        var types: [any Any.Type] = []
        repeat types.append(each parameters)
        return SignatureTypes(parameters: types, result: result)
    }

    /// Finds the types; `nil` when one of them cannot be found by name.
    init?(mangledName name: UnsafeBufferPointer<UInt8>, parameterCount: Int) {
        guard let start = name.baseAddress, Int(__getParameterCount(start, UInt(name.count))) == parameterCount else { return nil }
        let storage = UnsafeMutablePointer<any Any.Type>.allocate(capacity: parameterCount + 1)
        defer { storage.deallocate() }
        let found = __getParameterTypeInfo(start, UInt(name.count), nil, nil, UnsafeMutableRawPointer(storage)._rawValue, parameterCount)
        guard Int(found) == parameterCount, let result = __getReturnTypeInfo(start, UInt(name.count), nil, nil) else { return nil }
        parameters = Array(UnsafeBufferPointer(start: storage, count: parameterCount))
        self.result = result
    }
}
