public import TelekinesisProtocol

/// Something that has become of what is watched.
public struct WatchEvent: Sendable {
    /// What has happened.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// Somebody serves the name, who did not before.
        case published
        /// Its provider took the name back.
        case withdrawn
        /// Its provider, or the object's node, lost its connection or ended.
        case gone
        /// After it had gone, the name is served again, by whomever; or the object can be called again.
        case back
        /// Another one serves the name now, or the same one anew: what the one before knew may be lost.
        case replaced
        /// Nothing more will be told; ``WatchEvent/error`` says why. The last event.
        case ended
    }

    /// What has happened.
    public let kind: Kind
    /// The name; of an object that was not got by name, a short hash of its key.
    public let name: String
    /// What serves the name now; `nil` when nothing does, and for objects.
    public let service: ListedName?
    /// Why nothing more will be told; of ``Kind/ended`` only.
    public let error: TelekinesisError?

    init(_ kind: Kind, _ name: String, service: ListedName? = nil, error: TelekinesisError? = nil) {
        self.kind = kind
        self.name = name
        self.service = service
        self.error = error
    }
}

extension WatchEvent: CustomStringConvertible {
    /// What has happened to what.
    public var description: String { "\(kind.rawValue) \(name)" + (error.map { ": \($0)" } ?? "") }
}
