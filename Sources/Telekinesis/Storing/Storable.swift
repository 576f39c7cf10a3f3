internal import MessagePack
internal import TelekinesisProtocol

/// A value that is not itself sent with a call: it is stored first, what travels is a reference, and the other side fetches the value before the method, or
/// the caller, gets it.
///
/// Arguments, results, elements of streams and values of states may be storable, alone or within other values: arrays, dictionaries, optionals,
/// structures. ``StoredData`` and ``Stored`` do what most programs need, with the node's ``ValueStore``; a type of one's own says how it is stored:
///
/// ```swift
/// struct Image: Storable {
///     let pixels: [UInt8]
///     func store() async throws -> URL { try await bucket.upload(pixels) }
///     static func fetch(_ reference: URL) async throws -> Image { Image(pixels: try await bucket.download(reference)) }
/// }
/// ```
///
/// In the node's own store, by default the hub's, `try await CurrentValueStore.value.put(bytes)` stores bytes and returns the ``StoredReference`` with which
/// `CurrentValueStore.value.get(reference)` fetches them. They are kept until they are released (``ValueStore/release(_:)``), or the node has gone.
///
/// The conformance to `Codable` comes with the protocol. Classes must be final.
public protocol Storable: Codable, Sendable {
    /// What travels in place of the value.
    associatedtype Reference: Codable & Sendable

    /// Stores the value. Called each time the value is to travel, within the deadline of the call; of elements of streams, one after the other.
    func store() async throws -> Reference
    /// Fetches a value that was stored.
    static func fetch(_ reference: Reference) async throws -> Self
}

extension Storable {
    /// Notes the value in the message that is being made; it is stored before the message leaves.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` where the value is no argument, result, element of a stream or value of a state.
    public func encode(to encoder: any Encoder) throws { try OutgoingValues.encode(self, to: encoder) }

    /// Takes the value that the message refers to, which the runtime has fetched.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` where the value is no argument, result, element of a stream or value of a state.
    public init(from decoder: any Decoder) throws { self = try FetchedValues.value(Self.self, from: decoder) }
}

extension TelekinesisError {
    /// An error that storing or fetching a value ended with, told of the value.
    static func storing(_ what: String, failed error: any Error, _ code: Code, ran: Execution) -> TelekinesisError {
        let reason = error as? TelekinesisError
        return TelekinesisError(reason?.code ?? code, "\(what): \(reason?.message ?? "\(error)")", ran: ran, cause: error)
    }
}
