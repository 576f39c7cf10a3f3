internal import Distributed
internal import MessagePack
internal import TelekinesisProtocol

/// A value of this node that can be handed over and called from elsewhere, such as a function: its key, chosen once, and what a call does.
///
/// Nobody but those that it was handed to keeps it callable.
final class Export: Sendable {
    let key = ActorKey.random()
    let callee: Callee

    init(_ kind: Callee.Kind) { callee = Callee(kind) }

    /// Writes a reference to it.
    ///
    /// - Throws: `invalidUse` outside of a message.
    func encode(to encoder: any Encoder) throws { try IncomingReference.encode(.own(key, callee), to: encoder) }
}

/// A reference as it is read: to something of this node that came home, to what another node has, or a name.
enum IncomingReference {
    case own(ActorKey, Callee, NodeHome)
    case remote(ActorTarget, Node)
    case name(ServiceName, Node)

    /// Writes a reference: its place in the message's table; in JSON, where it is and its key.
    static func encode(_ entry: OutgoingReferences.Entry, to encoder: any Encoder) throws {
        let place = try CodingScope.add(entry)
        if CodingScope.isText { return try InJSON(text: ReferenceText(entry).description).encode(to: encoder) }
        var container = encoder.singleValueContainer()
        try container.encode(place)
    }

    /// Writes a reference to whatever serves a name.
    static func encode(_ name: ServiceName, to encoder: any Encoder) throws {
        CodingScope.noteReference()
        if CodingScope.isText { return try InJSON(text: name.description).encode(to: encoder) }
        var container = encoder.singleValueContainer()
        try container.encode(name.description)
    }

    /// Reads a reference: a place in the message's table, a name, or the text of a reference that somebody stored.
    ///
    /// - Throws: `DecodingError` outside of a message, `noSuchObject` when it was this node's own and has ended.
    init(from decoder: any Decoder) throws {
        guard let home = CodingScope.home, let node = home.node else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "references to objects, functions and streams are only decoded in a call"))
        }
        if let text = Self.text(from: decoder) {
            try self.init(text, home, node)
            noteEncoding()
            return
        }
        let place = try decoder.singleValueContainer().decode(Int.self)
        guard let entries = CodingScope.received?.entries, entries.indices.contains(place) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "the message hands over nothing of the number \(place)"))
        }
        try self.init(entries[place], home, node)
        noteEncoding()
    }

    /// Whoever hands something over in JSON may know nothing else: it is called in JSON.
    private func noteEncoding() {
        if CodingScope.isText, case .remote(let target, _) = self { target.readsOnlyJSON = true }
    }

    /// Reads text in place of a number. What the message hands over too is held.
    private init(_ text: String, _ home: NodeHome, _ node: Node) throws {
        guard ReferenceText.isOne(text) else {
            self = .name(try ServiceName(text), node)
            return
        }
        let text = try ReferenceText(text)
        if let entry = CodingScope.received?.entry(of: text.key) {
            try self.init(entry, home, node)
        } else {
            self = try Self.stored(text, node)
        }
    }

    private init(_ entry: ReceivedReferences.Entry, _ home: NodeHome, _ node: Node) throws {
        switch entry {
        case .own(let key, let callee): self = .own(key, callee, home)
        case .remote(let target): self = .remote(target, node)
        case .ended: throw TelekinesisError(.noSuchObject, "an object of this node that came back has ended meanwhile")
        }
    }

    private struct InJSON: Codable {
        let text: String

        enum CodingKeys: String, CodingKey { case text = "$ref" }
    }

    /// The name or the text in place of a number: by itself, or as `{"$ref": "…"}`, as JSON has it.
    private static func text(from decoder: any Decoder) -> String? {
        guard let container = try? decoder.singleValueContainer() else { return nil }
        return (try? container.decode(String.self)) ?? (try? container.decode(InJSON.self))?.text
    }

    /// A reference that was stored as text: it holds nothing.
    static func stored(_ text: ReferenceText, _ node: Node) throws -> IncomingReference {
        if text.node == node.id {
            guard case .ready(let callee) = node.session.incoming.registry.callee(text.key) else {
                throw TelekinesisError(.noSuchObject, "the object \(text.key.redacted) of this node has ended")
            }
            return .own(text.key, callee, node.session.home)
        }
        return .remote(ActorTarget(.object(text.key), .remote, node: text.node), node)
    }
}

extension ActorID: Codable {
    /// Writes a reference to the object, for the message that is being made; a proxy that was got by name travels as that name.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` outside of a call.
    public func encode(to encoder: any Encoder) throws {
        guard let home = CodingScope.home else {
            throw TelekinesisError(
                .invalidUse, "references to objects can only be encoded in a call; to store one as text, use node.text(of:)")
        }
        switch target.place {
        case .route(let route):
            try IncomingReference.encode(route.name, to: encoder)
        case .reserved(let route):
            throw TelekinesisError(
                .invalidUse, "the provider of “\(route.name)” is reserved for this node: a proxy of it cannot be handed over")
        case .remote: try IncomingReference.encode(.remote(target), to: encoder)
        case .local:
            guard let key = target.key, let callee = home.registry.exportable(key) else {
                throw TelekinesisError(
                    .invalidUse,
                    "\(self) was made on another node of this process, or has ended: hand it over through the node it was made on")
            }
            try IncomingReference.encode(.own(key, callee), to: encoder)
        }
    }

    /// Reads a reference.
    public init(from decoder: any Decoder) throws {
        switch try IncomingReference(from: decoder) {
        case .remote(let target, _): self.init(target)
        case .name(let name, let node):
            self.init(ActorTarget(.name(name.description), .route(node.session.boundRoute(name))))
        case .own(_, let callee, _):
            guard case .object(let actor, _) = callee.kind else {
                throw TelekinesisError(.badArguments, "an object is expected where the message hands over something else")
            }
            try self.init(holding: actor)
        }
    }
}
