internal import JSONText
internal import MessagePack
internal import TelekinesisProtocol

/// Finds the method that a call means and brings its arguments into the order of the parameters.
///
/// Calls made by programs carry a selector and MessagePack by position. People, the shell and other languages may name the method in words, and give
/// JSON or plain words, by position or by label.
enum ArgumentBinding {
    /// The method that a call means, and its arguments.
    struct BoundCall {
        let method: Method
        var arguments: CallDecoder
    }

    /// Finds the method that a call means, and its arguments.
    static func method(
        _ selector: UInt64, of table: MethodTable, head: CallBody, body: SplitBytes, _ received: ReceivedReferences?, on home: NodeHome
    ) throws -> BoundCall {
        do throws(TelekinesisError) {
            if selector != 0 {
                let method = try table.method(Selector(rawValue: selector), signatureHash: head.signature)
                if let refusal = method.refusal { throw TelekinesisError(.unsupported, refusal) }
                if head.encoding == .messagePack {
                    let reader = body.reader(from: head.argumentsStart)
                    return BoundCall(method: method, arguments: CallDecoder(reader, count: head.argumentCount, received, on: home))
                }
                let given = try GivenArguments(head: head, body: body.joined, nameFirst: false)
                return BoundCall(
                    method: method, arguments: try given.decoder(labels: method.labels, signature: method.signature, received, on: home))
            }
            let given = try GivenArguments(head: head, body: body.joined, nameFirst: true)
            let method = try table.method(named: given.name, labels: given.labels)
            if let refusal = method.refusal { throw TelekinesisError(.unsupported, refusal) }
            if head.encoding == .words, let type = method.resultType, isHandedOver(type) { throw onlyForPrograms(method.signature) }
            return BoundCall(
                method: method, arguments: try given.decoder(labels: method.labels, signature: method.signature, received, on: home))
        } catch {
            throw Refusal(error)
        }
    }

    /// The error of a method that gave no result. Where it was not executed, and caller and provider know different signatures, that is the reason.
    static func error(of failure: MethodFailure, _ method: Method, callerSignature: UInt32) -> any Error {
        let error: TelekinesisError
        switch failure {
        case .thrown(let error): return error
        case .refused(let reason): error = reason
        }
        if let needed = failure.fetchNeeded { return needed }
        guard error.code == .badArguments, callerSignature != 0, callerSignature != method.signatureHash else { return Refusal(error) }
        return Refusal(
            .incompatible,
            "the provider has \(method.signature), another signature than the caller was built against: \(error.message)")
    }

    /// Whoever calls with words takes values only: the method is not made to do its work for nothing.
    private static func onlyForPrograms(_ signature: String) -> TelekinesisError {
        TelekinesisError(.unsupported, "\(signature) returns an object, a function, a stream or a state, which only a program can take")
    }

    /// The arguments of a function or an initialiser.
    ///
    /// - Parameter handsOver: whether the function's result is something that stays where it is.
    static func arguments(
        of function: MethodDescription, handsOver: Bool = false, head: CallBody, body: SplitBytes, _ received: ReceivedReferences?,
        on home: NodeHome
    ) throws -> CallDecoder {
        do throws(TelekinesisError) {
            if head.encoding == .messagePack, head.selector != 0 {
                guard head.argumentCount == function.labels.count else {
                    let given = [String?](repeating: nil, count: head.argumentCount)
                    throw GivenArguments.misfit(of: given, in: function.labels, signature: function.signature)
                }
                let reader = body.reader(from: head.argumentsStart)
                return CallDecoder(reader, count: head.argumentCount, received, on: home)
            }
            if head.encoding == .words, handsOver { throw onlyForPrograms(function.signature) }
            let given = try GivenArguments(head: head, body: body.joined, nameFirst: head.selector == 0)
            return try given.decoder(labels: function.labels, signature: function.signature, received, on: home)
        } catch {
            throw Refusal(error)
        }
    }
}

extension MethodFailure {
    /// What must be fetched before the arguments can be read, where that is why the method was not executed.
    var fetchNeeded: FetchNeeded? {
        if case .refused(let reason) = self { reason.cause as? FetchNeeded } else { nil }
    }
}

/// Arguments as somebody gave them: with or without labels, in JSON or in words.
struct GivenArguments {
    /// The name of the method, where the call gives it in words.
    private(set) var name = ""
    /// Whole words are there for those in which a label may only have been seen: `a=b` is one argument where no parameter is called `a`.
    private var values: [(label: String?, range: Range<Int>, wholeWord: Range<Int>?)] = []
    private var bytes: [UInt8]
    private let origin: MessagePackDecoder.Origin

    /// Takes the arguments of a call apart.
    ///
    /// - Parameter nameFirst: whether a MessagePack string with the method's name comes first.
    init(head: CallBody, body: [UInt8], nameFirst: Bool) throws(TelekinesisError) {
        do {
            var start = head.argumentsStart
            if nameFirst {
                var reader = MessagePackReader(body, in: start..<body.count)
                name = try reader.readString()
                start = reader.position
            }
            switch head.encoding {
            case .messagePack:
                bytes = body
                origin = .native
                var reader = MessagePackReader(body, in: start..<body.count)
                for _ in 0..<head.argumentCount { try append(&reader) }
            case .json:
                origin = .json
                bytes = try JSONText.toMessagePack(body, in: start..<body.count)
                var reader = MessagePackReader(bytes)
                if case .map(let count) = try reader.peekHead() {
                    _ = try reader.readMapHeader()
                    for _ in 0..<count {
                        let label = try reader.readString()
                        try append(&reader, label: label)
                    }
                } else {
                    for _ in 0..<(try reader.readArrayHeader()) { try append(&reader) }
                }
                try reader.finish()
            case .words:
                origin = .words
                bytes = body
                var reader = MessagePackReader(body, in: start..<body.count)
                for _ in 0..<(try reader.readArrayHeader()) { try append(&reader) }
                try reader.finish()
                try splitWords()
            }
        } catch {
            throw TelekinesisError(.badArguments, "the arguments cannot be read: \(DecodingError.reason(of: error))", cause: error)
        }
    }

    private mutating func append(_ reader: inout MessagePackReader, label: String? = nil) throws {
        guard values.count < Int(UInt8.max) else { throw TelekinesisError(.badArguments, "a call has at most 255 arguments") }
        let start = reader.position
        try reader.skip()
        values.append((label, start..<reader.position, nil))
    }

    /// Makes `by=5` a value with a label. Whether the label is one is only known when the parameters are: see ``places(of:in:)``.
    private mutating func splitWords() throws {
        var writer = MessagePackWriter()
        var words: [(String?, Range<Int>, Range<Int>?)] = []
        for value in values {
            var reader = MessagePackReader(bytes, in: value.range)
            let word = try reader.readString()
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let isLabelled = parts.count == 2 && !parts[0].isEmpty && parts[0].allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
            let start = writer.bytes.count
            writer.write(word)
            let whole = start..<writer.bytes.count
            guard isLabelled else {
                words.append((nil, whole, nil))
                continue
            }
            writer.write(String(parts[1]))
            words.append((String(parts[0]), whole.upperBound..<writer.bytes.count, whole))
        }
        bytes = writer.bytes
        values = words
    }

    /// The labels that were given; `nil` for arguments by position.
    var labels: [String?] { values.map(\.label) }

    /// For each parameter the argument that it gets, or nothing if they do not fit: those with its label, the others fill up from the left.
    ///
    /// A label that no parameter has stands by position for one without a label.
    static func places(of given: [String?], in parameters: [String]) -> [Int]? {
        guard given.count == parameters.count else { return nil }
        var free = Array(given.indices)
        var places: [Int] = []
        for parameter in parameters {
            let place =
                free.firstIndex { given[$0] == parameter } ?? free.firstIndex { given[$0] == nil || given[$0] == "_" }
                ?? (parameter == "_" ? free.firstIndex { !parameters.contains(given[$0] ?? "_") } : nil)
            guard let place else { return nil }
            places.append(free.remove(at: place))
        }
        return places
    }

    /// Why arguments do not fit the parameters.
    static func misfit(of given: [String?], in parameters: [String], signature: String) -> TelekinesisError {
        guard given.count == parameters.count else {
            let taken =
                switch parameters.count {
                case 0: "no argument"
                case 1: "one argument"
                case let count: "\(count) arguments"
                }
            return TelekinesisError(.badArguments, "\(signature) takes \(taken); the call has \(given.isEmpty ? "none" : "\(given.count)")")
        }
        let unknown = given.compactMap { $0 }.first { $0 != "_" && !parameters.contains($0) }
        guard let unknown else { return TelekinesisError(.badArguments, "the arguments do not fit \(signature)") }
        return TelekinesisError(.badArguments, "\(signature) has no parameter \(unknown.quoted)")
    }

    /// Yields the arguments in the order of the parameters.
    func decoder(
        labels: [String], signature: String, _ received: ReceivedReferences?, on home: NodeHome
    ) throws(TelekinesisError) -> CallDecoder {
        guard let places = Self.places(of: self.labels, in: labels) else {
            throw Self.misfit(of: self.labels, in: labels, signature: signature)
        }
        var ordered: [UInt8] = []
        for (label, place) in zip(labels, places) {
            let value = values[place]
            ordered += bytes[value.label == label ? value.range : value.wholeWord ?? value.range]
        }
        return CallDecoder(MessagePackReader(ordered), count: labels.count, origin: origin, received, on: home)
    }
}
