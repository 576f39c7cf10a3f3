/// How a storable value stands in a message: a map with its reference, and a number that the values of its type in the message have in common.
public struct StoredForm<Reference: Codable>: Codable {
    /// What the value can be fetched with.
    public let reference: Reference
    /// The number of its type in this message; `nil` where somebody writes one by hand.
    public let kind: Int?

    /// A form.
    public init(reference: Reference, kind: Int?) {
        self.reference = reference
        self.kind = kind
    }

    enum CodingKeys: String, CodingKey {
        case reference = "$stored"
        case kind
    }
}
