import MessagePack
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What stays in a registry, and what does not.
@Suite struct RegistryTests {
    private let ann = NodeID(rawValue: 1), bob = NodeID(rawValue: 2)
    private let key = ActorKey.random()
    private let registry = Registry(limit: 10)

    private var callee: Callee { Callee(.function(PublishedFunction.erase { 1 })) }

    private func message() throws -> OutgoingReferences {
        let references = OutgoingReferences()
        _ = try references.add(.own(key, callee))
        return references
    }

    @Test func whatComesAfterTheEndIsNotKept() throws {
        try registry.give(callee, as: key, to: ann)
        registry.publish(callee, as: .random())
        registry.close()
        #expect(registry.entryCount == 0 && registry.heldCount == 0)
        try registry.give(callee, as: key, to: ann)
        try registry.share(key, with: bob, by: ann)
        registry.pin(callee, as: key)
        registry.publish(callee, as: .random())
        registry.release(.random(), by: ann, count: 1)
        #expect(throws: TelekinesisError.self) { try registry.begin(.random(), for: ann) }
        #expect(registry.entryCount == 0 && registry.heldCount == 0)
        registry.unpin(key)
    }

    @Test func whatWasFreedMeanwhileIsNotTakenBackOnceMore() throws {
        let message = try message()
        _ = try message.give(to: ann, in: registry)
        registry.releaseAll(of: ann)
        message.takeBack(from: ann, in: registry)
        #expect(registry.heldCount == 0)
        // Nor is it owed: given again, it is held.
        _ = try message.give(to: ann, in: registry)
        #expect(registry.entryCount == 1)
        message.takeBack(from: ann, in: registry)
        #expect(registry.entryCount == 0 && registry.heldCount == 0)
    }
}
