internal import TelekinesisProtocol

/// The cases of an enumeration that travels as a string or an integer.
struct RawCases {
    /// The type of what travels.
    let type: TypeDescription
    /// Empty where there are too many.
    let cases: [RawCase]
    /// What stands for the first case.
    let first: any Sendable

    /// The cases of `type`; `nil` when it is no enumeration with values.
    static func of(_ type: any Any.Type) -> RawCases? {
        guard let type = type as? any RawRepresentable.Type else { return nil }
        return of(values: type)
    }

    private static func of<Value: RawRepresentable>(values type: Value.Type) -> RawCases? {
        guard let values = TypeReflection.plainCases(of: type), let first = values.first else { return nil }
        let raw = values.count <= TypeSurvey.Limit.cases ? values.compactMap { RawCase($0) } : []
        let cases = raw.count == values.count ? raw : []
        switch first.rawValue {
        case let text as String: return RawCases(type: .string, cases: cases, first: text)
        case let number as any FixedWidthInteger & Sendable: return RawCases(type: described(number), cases: cases, first: number)
        default: return nil
        }
    }

    private static func described<Value: FixedWidthInteger>(_: Value) -> TypeDescription {
        .integer(bits: Value.bitWidth, signed: Value.isSigned)
    }
}

extension RawCase {
    /// - Returns: `nil` when what travels is no string, and no integer of 64 bits.
    fileprivate init?<Value: RawRepresentable>(_ value: Value) {
        guard let name = TypeReflection.caseName(of: value) else { return nil }
        switch value.rawValue {
        case let text as String: self.init(name: name, value: .string(text))
        case let number as any FixedWidthInteger:
            guard let number = Int64(exactly: number) else { return nil }
            self.init(name: name, value: .integer(number))
        default: return nil
        }
    }
}
