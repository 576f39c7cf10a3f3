internal import MessagePack

/// A value that is handed over by reference when it is large: see ``StoredData``.
///
/// ```swift
/// distributed func train(on samples: Stored<[Sample]>) -> Model
/// try await trainer.train(on: Stored(samples))
/// ```
///
/// The value is encoded as MessagePack, and stored as that. It must not contain references to objects, functions or streams, nor other storable values: those travel
/// beside it.
public struct Stored<Value: Codable & Sendable>: Codable, Sendable {
    /// The value itself.
    public let value: Value

    /// A value that may be large.
    public init(_ value: Value) { self.value = value }

    /// Encodes the value, and writes or stores what comes of it.
    public func encode(to encoder: any Encoder) throws {
        let bytes = try CodingScope.outside { try MessagePackEncoder().encode(value) }
        try StoredData(bytes).encode(to: encoder)
    }

    /// Reads the value from what was written or stored.
    public init(from decoder: any Decoder) throws {
        let data = try StoredData(from: decoder)
        value = try CodingScope.outside { try MessagePackDecoder().decode(Value.self, from: data.bytes) }
    }
}

extension Stored: Equatable where Value: Equatable {}
extension Stored: Hashable where Value: Hashable {}
