public import Distributed
internal import TelekinesisProtocol

/// A reference as text, to be stored or sent by other means: `ref:` and in hexadecimal digits the node and the key.
struct ReferenceText: CustomStringConvertible {
    let node: NodeID
    let key: ActorKey

    private static let prefix = "ref:"

    init(node: NodeID, key: ActorKey) {
        self.node = node
        self.key = key
    }

    /// Whether a text is meant to be a reference; no name has a colon.
    static func isOne(_ text: String) -> Bool { text.hasPrefix(prefix) }

    /// Reads a reference.
    ///
    /// - Throws: `invalidUse` when it is none.
    init(_ text: String) throws(TelekinesisError) {
        let digits = text.dropFirst(Self.prefix.count)
        func word(_ index: Int) -> UInt64? {
            let start = digits.utf8.index(digits.startIndex, offsetBy: 16 * index)
            return UInt64(digits[start..<digits.utf8.index(start, offsetBy: 16)], radix: 16)
        }
        guard Self.isOne(text), digits.utf8.count == 48,
            digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") && $0 < 0x80 }),
            let node = word(0), let low = word(1), let high = word(2), node != 0
        else { throw TelekinesisError(.invalidUse, "this is no reference: node.text(of:) gives them, ref: and 48 hexadecimal digits") }
        self.init(node: NodeID(rawValue: node), key: ActorKey(low: low, high: high))
    }

    /// The text of something that a message hands over.
    ///
    /// - Throws: `unsupported` for what cannot be handed over as text.
    init(_ entry: OutgoingReferences.Entry) throws(TelekinesisError) {
        switch entry {
        case .own(_, let callee):
            if case .stream = callee.kind {
                throw TelekinesisError(.unsupported, "a stream or a state cannot be handed over in JSON: its elements are MessagePack")
            }
            guard let me = CodingScope.home?.session?.nodeID, me != .hub else {
                throw TelekinesisError(.disconnected, "this node has no id yet, which a reference in JSON needs")
            }
            self.init(node: me, key: entry.key ?? .control)
        case .remote(let target):
            guard target.node != .hub else {
                throw TelekinesisError(.invalidUse, "an object that is still being made has no place yet, which a reference in JSON needs")
            }
            self.init(node: target.node, key: entry.key ?? .control)
        }
    }

    var description: String {
        Self.prefix + [node, NodeID(rawValue: key.low), NodeID(rawValue: key.high)].map(\.description).joined()
    }
}

extension Node {
    /// An object as text that can be stored and later given to ``resolve(text:as:)``, by any node of the same hub.
    ///
    /// The text is a secret: whoever has it may call the object. It does not keep the object alive.
    ///
    /// - Throws: ``TelekinesisError`` with code `invalidUse` for a proxy that was got by name (its name is text already), or whose object has not been made yet.
    public func text(of object: some DistributedActor) throws -> String {
        guard let id = object.id as? ActorID else {
            throw TelekinesisError(.invalidUse, "this actor belongs to another distributed actor system")
        }
        guard let key = id.target.key else { throw TelekinesisError(.invalidUse, "this proxy was got by name: store its name, \(id)") }
        switch id.target.place {
        case .local: return ReferenceText(node: self.id, key: key).description
        case .remote where id.target.node != .hub: return ReferenceText(node: id.target.node, key: key).description
        case .remote, .route, .reserved:
            throw TelekinesisError(.invalidUse, "where this object is will be known when a first call has been answered")
        }
    }

    /// The object that a stored text means. Whether it still lives, a call shows.
    ///
    /// - Parameters:
    ///   - text: what ``text(of:)`` gave.
    ///   - type: the distributed actor's type, or the stub of a `@Resolvable` protocol.
    /// - Throws: ``TelekinesisError``: `invalidUse` when it is no reference, `noSuchObject` for an object of this node that has ended.
    public func resolve<Act: DistributedActor>(text: String, as type: Act.Type) throws -> Act where Act.ActorSystem == Node {
        switch try IncomingReference.stored(ReferenceText(text), self) {
        case .remote(let target, _): return try Act.resolve(id: ActorID(target), using: self)
        case .own(_, let callee, _):
            guard case .object(let actor, _) = callee.kind else {
                throw TelekinesisError(.invalidUse, "the text stands for something that is no object")
            }
            return try Act.resolve(id: ActorID(holding: actor), using: self)
        case .name(let name, _): throw TelekinesisError(.invalidUse, "\(name) is a name: use resolve(_:as:)")
        }
    }
}

extension DistributedActor where ActorSystem == Node {
    /// This actor seen through a protocol: `room.join(me.as($Listener.self))`.
    ///
    /// - Parameter type: the stub of a `@Resolvable` protocol.
    /// - Throws: ``TelekinesisError`` with code `invalidUse` when the actor is of this node and lacks a method of the protocol.
    public nonisolated func `as`<Stub: DistributedActor>(_ type: Stub.Type) throws -> Stub where Stub.ActorSystem == Node {
        try Stub.resolve(id: __isLocalActor(self) ? ActorID(holding: self) : id, using: actorSystem)
    }
}
