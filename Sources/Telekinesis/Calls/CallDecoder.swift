public import Distributed
internal import JSONText
internal import MessagePack
internal import TelekinesisProtocol

/// Reads the arguments of a call, one after the other, straight from the bytes that came.
public struct CallDecoder: DistributedTargetInvocationDecoder, InvocationArguments {
    /// Arguments and results are `Codable`.
    public typealias SerializationRequirement = any Codable

    private var reader: MessagePackReader
    private let origin: MessagePackDecoder.Origin
    /// The objects, functions and streams among the arguments, and whose they are to be.
    private let received: ReceivedReferences?
    /// Held by the call.
    private let home: Unmanaged<NodeHome>
    package let argumentCount: Int
    package private(set) var decodedCount = 0
    /// The storable values among the arguments, as far as they have been fetched.
    var fetched: FetchedValues?
    /// Told when the last argument has been read; held by the call.
    private var worker: Unmanaged<Worker>?

    init(
        _ reader: MessagePackReader, count: Int, origin: MessagePackDecoder.Origin = .native, _ received: ReceivedReferences?,
        on home: NodeHome
    ) {
        self.reader = reader
        self.origin = origin
        self.received = received
        self.home = Unmanaged.passUnretained(home)
        argumentCount = count
    }

    /// Has the worker told when the last argument has been read: then the call comes to its object.
    mutating func arrive(by worker: Worker) {
        if argumentCount == 0 { worker.arrive() } else { self.worker = .passUnretained(worker) }
    }

    /// Substitutions never travel: methods with generic parameters are not called remotely.
    public mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { [] }

    /// The next argument.
    ///
    /// - Throws: ``TelekinesisError`` with code `badArguments` when it is missing or does not fit.
    public mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
        guard decodedCount < argumentCount else {
            throw Refusal(.badArguments, "too few arguments: number \(decodedCount + 1), of type \(Argument.self), is missing")
        }
        var scope = CodingScope(reading: received, home: home, fetched: fetched, takesValues: true, asText: origin == .json)
        let start = reader.position
        do {
            let argument: Argument = try scope.run {
                let decoder = MessagePackDecoder(origin: origin, userInfo: CodingScope.userInfo)
                return origin == .words ? try decodeWord(decoder) : try decoder.decode(Argument.self, from: &reader)
            }
            if let needed = scope.needed { throw self.needed(needed, from: start) }
            decodedCount += 1
            if decodedCount == argumentCount { worker?._withUnsafeGuaranteedRef { $0.arrive() } }
            return argument
        } catch {
            throw scope.needed.map { needed($0, from: start) } ?? error
        }
    }

    /// What must be fetched before the arguments can be read.
    private func needed(_ request: FetchRequest, from start: Int) -> FetchNeeded {
        FetchNeeded(request: request, argument: decodedCount + 1, message: reader.bytes, start: start)
    }

    /// An argument that somebody typed. What no single word can spell, a structure, an array or `null`, is written in JSON.
    private mutating func decodeWord<Argument: Codable>(_ decoder: MessagePackDecoder) throws -> Argument {
        let start = reader
        do {
            return try decoder.decode(Argument.self, from: &reader)
        } catch {
            reader = start
            let word = try reader.readString()
            guard word.first == "{" || word.first == "[" || word == "null", let value = try? JSONText.toMessagePack(Array(word.utf8)) else {
                throw UnreadableWord(word, as: Argument.self, error) ?? error
            }
            return try MessagePackDecoder(origin: .json, userInfo: CodingScope.userInfo).decode(Argument.self, from: value)
        }
    }

    /// The next argument of a function; when it does not fit, the function was not called.
    mutating func nextArgument<Argument: Codable>() throws -> Argument {
        do {
            return try decodeNextArgument()
        } catch let refusal as Refusal {
            throw refusal
        } catch let needed as FetchNeeded {
            throw needed
        } catch {
            let reason = DecodingError.reason(of: error)
            throw Refusal(.badArguments, "argument \(decodedCount + 1) is not of type \(Argument.self): \(reason)", cause: error)
        }
    }

    /// Always nil: the method table knows the type.
    public mutating func decodeErrorType() throws -> (any Any.Type)? { nil }

    /// Always nil: the method table knows the type.
    public mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
}
