internal import Distributed
internal import TelekinesisProtocol

/// A type of this library that is described as what it means, not as it is coded.
protocol SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription
}

extension RemoteFunction: SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription {
        guard let types = TypeReflection.function(Signature.self) else { return .opaque(TypeReflection.name(of: Self.self)) }
        return .function(parameters: types.parameters.map(survey.describe), result: survey.describe(types.result))
    }
}

extension RemoteStream: SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription { .stream(survey.describe(Element.self)) }
}

extension RemoteState: SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription { .state(survey.describe(Value.self)) }
}

extension StoredData: SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription {
        .stored(content: .bytes, reference: survey.describe(StoredReference.self))
    }
}

extension Stored: SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription {
        .stored(content: survey.describe(Value.self), reference: survey.describe(StoredReference.self))
    }
}

extension ContentDigest: SelfDescribed {
    static func description(in survey: TypeSurvey) -> TypeDescription { .string }
}

/// Containers of the standard library: what they contain, and one with nothing in it.
protocol DescribedContainer {
    static func description(in survey: TypeSurvey) -> TypeDescription
    static var empty: Self { get }
}

extension Optional: DescribedContainer {
    static func description(in survey: TypeSurvey) -> TypeDescription { .optional(survey.describe(Wrapped.self)) }
    static var empty: Self { nil }
}

extension Array: DescribedContainer {
    static func description(in survey: TypeSurvey) -> TypeDescription { .array(survey.describe(Element.self)) }
    static var empty: Self { [] }
}

extension Set: DescribedContainer {
    static func description(in survey: TypeSurvey) -> TypeDescription { .array(survey.describe(Element.self)) }
    static var empty: Self { [] }
}

extension Dictionary: DescribedContainer {
    static func description(in survey: TypeSurvey) -> TypeDescription {
        let (key, value) = (survey.describe(Key.self), survey.describe(Value.self))
        // As the standard library codes them, since SE-0320.
        return Key.self is any CodingKeyRepresentable.Type ? .dictionary(key: key, value: value) : .pairs(key: key, value: value)
    }
    static var empty: Self { [:] }
}
