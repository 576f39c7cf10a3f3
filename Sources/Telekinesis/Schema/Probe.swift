internal import TelekinesisProtocol

/// One attempt of a type to decode itself from nothing.
final class Probe {
    /// How questions are answered.
    enum Manner {
        /// All that is asked for is there, but for what may be missing.
        case usual
        /// The other way round: for types that could do nothing with the usual answers.
        case opposite
        /// The first question is answered with an error: a type that asks another one then takes several forms.
        case refusing
    }

    /// There is no answer.
    struct NoValue: Error {}

    let survey: TypeSurvey
    let manner: Manner
    private let type: any Any.Type
    private let root: Recording
    private let isEnumeration: Bool
    private let given: (any Sendable)?
    private let index: Int
    private var questions = 0
    private var hasRefused = false
    private var hasEnded = false

    init(
        _ survey: TypeSurvey, _ type: any Any.Type, _ root: Recording, _ manner: Manner, given: (any Sendable)?, choosing index: Int
    ) {
        self.survey = survey
        self.type = type
        self.root = root
        self.manner = manner
        self.given = given
        self.index = index
        isEnumeration = TypeReflection.isEnumeration(type)
    }

    /// Whoever has kept the decoder gets nothing more from it.
    func end() { hasEnded = true }

    /// Counts a question that can be answered with no.
    func mayAsk() -> Bool {
        guard !hasEnded else { return false }
        questions += 1
        guard questions <= TypeSurvey.Limit.questions, survey.mayAsk() else {
            root.isAmbiguous = true
            return false
        }
        return true
    }

    /// Counts a question.
    func ask() throws {
        guard mayAsk() else { throw NoValue() }
    }

    /// Counts a question for a kind of content.
    func ask(for kind: Recording.Kinds, at place: Recording) throws {
        try ask()
        place.note(kind)
        guard manner == .refusing else { return }
        guard !hasRefused else {
            root.isAmbiguous = true
            return
        }
        hasRefused = true
        throw NoValue()
    }

    /// Counts a question for something within a place.
    func descend(to level: Int) throws {
        try ask()
        guard level <= TypeSurvey.Limit.places else {
            root.isAmbiguous = true
            throw NoValue()
        }
    }

    /// What a value of `type` looks like, to be noted before there is one.
    func describe(_ type: any Any.Type) -> TypeDescription { survey.describe(type) }

    func value<Value: Decodable>(of type: Value.Type) throws -> Value {
        if let given = given as? Value { return given }
        return try survey.value(of: type)
    }

    /// The keys that are there, of those that can be.
    func choose<Key>(_ keys: [Key], at place: Recording) -> [Key] {
        guard isEnumeration, place === root else { return keys }
        // As the compiler writes `init(from:)` of enumerations: exactly one key says which case it is.
        place.enumerates = true
        survey.note(keys.count, of: type)
        return keys.indices.contains(index) ? [keys[index]] : []
    }
}
