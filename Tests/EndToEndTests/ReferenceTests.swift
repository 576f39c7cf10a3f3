import Distributed
import MessagePack
import Synchronization
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Objects and functions as arguments and results, through a real hub.
@Suite(.timeLimit(.minutes(1))) struct ReferenceTests {
    /// A hub, a provider with a room, and two other nodes.
    struct Stage {
        let hub: Hub
        let provider: Node
        let guest: Node
        let friend: Node
        let room: Room
        let watch = Watch()

        init() async throws {
            hub = try await startHub()
            provider = try await hub.connect()
            guest = try await hub.connect()
            friend = try await hub.connect()
            let own = Room(on: provider)
            try await provider.publish(own, as: "demo/room")
            room = try await guest.resolve("demo/room", as: Room.self)
        }

        /// Whether nothing is held anywhere.
        var isClean: Bool {
            [provider, guest, friend].allSatisfy { node in
                node.session.incoming.registry.heldCount == 0 && node.session.state.withLock { $0.handedOver.isEmpty }
            }
        }
    }

    @Test func anObjectThatIsHandedOverIsCalledBack() async throws {
        let stage = try await Stage()
        let me = Person("Ann", on: stage.guest)
        #expect(try await stage.room.join(me.as($Listener.self)) == 1)
        try await stage.room.say("hello")
        #expect(try await me.all() == ["hello"])
        #expect(try await stage.room.names() == ["Ann"])
        await stage.hub.stop()
    }

    @Test func whatIsHeldLivesAndWhatNobodyHoldsIsGoneWithinASecond() async throws {
        let stage = try await Stage()
        do {
            let me = Person("Ann", on: stage.guest, stage.watch)
            _ = try await stage.room.join(me.as($Listener.self))
        }
        #expect(stage.watch.alive == 1)
        #expect(try await stage.room.names() == ["Ann"])
        try await stage.room.leave()
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        try await eventually(within: .seconds(1)) { stage.isClean }
        await stage.hub.stop()
    }

    @Test func aReferenceThatComesHomeIsTheObject() async throws {
        let stage = try await Stage()
        let me = Person("Ann", on: stage.guest)
        _ = try await stage.room.join(me.as($Listener.self))
        let back = try #require(try await stage.room.first())
        #expect(back.id == me.id)
        let made = try await stage.room.make("Bob")
        #expect(try await made.isThisMe(made))
        #expect(try await made.me() == made)
        await stage.hub.stop()
    }

    @Test func aThirdNodeCallsTheOwnerItself() async throws {
        let stage = try await Stage()
        let friendsRoom = Room(on: stage.friend)
        try await stage.friend.publish(friendsRoom, as: "demo/other")
        let other = try await stage.guest.resolve("demo/other", as: Room.self)
        do {
            let me = Person("Ann", on: stage.guest, stage.watch)
            _ = try await stage.room.join(me.as($Listener.self))
            // From guest to provider, and from there on to friend, which the provider knows by name.
            #expect(try await stage.room.introduce(to: other) == 1)
        }
        // The introducer goes: what it handed on stays.
        await stage.provider.close()
        #expect(try await friendsRoom.names() == ["Ann"])
        #expect(stage.watch.alive == 1)
        try await friendsRoom.leave()
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 && stage.isClean }
        await stage.hub.stop()
    }

    @Test func objectsAndFunctionsTravelWithinOtherValues() async throws {
        let stage = try await Stage()
        let heard = Journal()
        do {
            let ann = Person("Ann", on: stage.guest, stage.watch)
            let bob = Person("Bob", on: stage.guest, stage.watch)
            let invitation = Invitation(
                guests: ["a": try ann.as($Listener.self), "b": try bob.as($Listener.self)], host: ann,
                onAnswer: RemoteFunction { name in
                    heard.note(name)
                    return name.count
                })
            #expect(try await stage.room.invite(invitation) == 2)
            #expect(try await ann.all() == ["welcome a"])
        }
        #expect(heard.entries == ["a", "b"])
        #expect(stage.watch.alive == 2)
        try await stage.room.cancelInvitation()
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 && stage.isClean }
        await stage.hub.stop()
    }

    @Test func functionsAreCalledBack() async throws {
        let stage = try await Stage()
        #expect(try await stage.room.map([1, 2], RemoteFunction { number, text in "\(text)\(number)" }) == ["n1", "n2"])
        let add = try await stage.room.adder(5)
        #expect(try await add(2) == 7)
        // There and back again: called here, without the hub.
        let own = RemoteFunction { (n: Int) in n * 2 }
        #expect(try await own(4) == 8)
        let back = try await stage.room.same(own)
        #expect(try await back(21) == 42)
        // The provider's own comes home to it.
        #expect(try await stage.room.same(add)(1) == 6)
        await stage.hub.stop()
    }

    @Test func whatARefusedOrFailedCallWasGivenIsGivenBack() async throws {
        let stage = try await Stage()
        do {
            let me = Person("Ann", on: stage.guest, stage.watch)
            await #expect(throws: Trouble(message: "no")) { try await stage.room.refuse(me.as($Listener.self)) }
            // No such method there; nobody serves the name; too many arguments of another type.
            let unrelated = try await stage.guest.resolve("demo/room", as: OtherRoom.self)
            await #expect(throws: TelekinesisError.self) { try await unrelated.enter(me) }
        }
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 && stage.isClean }
        await stage.hub.stop()
    }

    @Test func theEndOfAHolderReleases() async throws {
        let stage = try await Stage()
        do {
            let me = Person("Ann", on: stage.guest, stage.watch)
            _ = try await stage.room.join(me.as($Listener.self))
        }
        #expect(stage.watch.alive == 1)
        await stage.provider.close()
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 }
        await stage.hub.stop()
    }

    @Test func whatIsReturnedToACallerThatHasGoneIsNotHeld() async throws {
        let stage = try await Stage()
        let (provider, watch, gate) = (stage.provider, stage.watch, Gate())
        try await provider.publish(function: "demo/slow") { () async -> Person in
            await gate.pass()
            return Person("Ann", on: provider, watch)
        }
        let slow: RemoteFunction<() -> Person> = try await stage.guest.function("demo/slow")
        let task = Task { try await slow() }
        try await eventually { gate.arrived == 1 }
        let guest = stage.guest.id
        await stage.guest.close()
        try await eventually { provider.session.caller(guest) == nil }
        gate.open()
        await #expect(throws: TelekinesisError.self) { try await task.value }
        try await eventually { provider.isIdle && watch.alive == 0 }
        #expect(stage.isClean)
        await stage.hub.stop()
    }

    @Test func whatIsHandedToANodeThatHasGoneIsNotHeld() async throws {
        let stage = try await Stage()
        let text = try stage.friend.text(of: Person("Bob", on: stage.friend))
        await stage.friend.close()
        try await eventually { stage.hub.statistics.sessions == 2 }
        let bob = try stage.guest.resolve(text: text, as: Person.self)
        do {
            let ann = Person("Ann", on: stage.guest, stage.watch)
            let error = try await failure { try await bob.isThisMe(ann) }
            #expect(error.code == .disconnected && error.ran == .no)
        }
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 && stage.isClean }
        #expect(stage.guest.session.acquaintances.withLock { $0.isEmpty })
        await stage.hub.stop()
    }

    @Test func aCallbackToADeadNodeFails() async throws {
        let stage = try await Stage()
        _ = try await stage.room.join(Person("Ann", on: stage.guest).as($Listener.self))
        let room = try await stage.friend.resolve("demo/room", as: Room.self)
        await stage.guest.close()
        let error = try await failure { try await room.names() }
        #expect(error.code == .disconnected || error.code == .noSuchObject)
        await stage.hub.stop()
    }

    @Test func largeCallsHandOverWithTheirFirstFrame() async throws {
        let stage = try await Stage()
        do {
            let me = Person("Ann", on: stage.guest, stage.watch)
            #expect(try await stage.room.take([UInt8](repeating: 1, count: 3_000_000), me.as($Listener.self)) == "Ann")
        }
        try await eventually(within: .seconds(1)) { stage.watch.alive == 0 && stage.isClean }
        await stage.hub.stop()
    }

    @Test func aReferenceCanBeStoredAsText() async throws {
        let stage = try await Stage()
        let person = Person("Ann", on: stage.guest)
        let text = try stage.guest.text(of: person)
        let found = try stage.friend.resolve(text: text, as: Person.self)
        #expect(try await found.name() == "Ann")
        #expect(try stage.guest.resolve(text: text, as: Person.self) === person)
        #expect(throws: TelekinesisError.self) { try stage.friend.resolve(text: "ref:12", as: Person.self) }
        #expect(throws: TelekinesisError.self) { try stage.friend.text(of: stage.room) }
        await stage.hub.stop()
    }

    @Test func aStoredReferenceHoldsNothing() async throws {
        let stage = try await Stage()
        let text: String
        do { text = try stage.guest.text(of: Person("Ann", on: stage.guest, stage.watch)) }
        #expect(stage.watch.alive == 0)
        let error = try await failure { try await stage.friend.resolve(text: text, as: Person.self).name() }
        #expect(error.code == .noSuchObject)
        await stage.hub.stop()
    }

    @Test func moreThanANodeMayHoldIsRefusedByName() async throws {
        let hub = try await startHub()
        let provider = try await hub.connect { $0.maximumHeldObjects = 3 }
        try await provider.publish(Room(on: provider), as: "demo/room")
        let caller = try await hub.connect()
        let room = try await caller.resolve("demo/room", as: Room.self)
        var people: [Person] = []
        for _ in 0..<3 { people.append(try await room.make("x")) }
        let error = try await failure { try await room.make("y") }
        #expect(error.code == .overloaded && error.ran == .yes)
        people = []
        try await eventually(within: .seconds(1)) { provider.session.incoming.registry.heldCount == 0 }
        #expect(try await room.make("z").name() == "z")
        await hub.stop()
    }

    @Test func referencesAreOnlyCodedInCalls() async throws {
        let stage = try await Stage()
        let person = Person("Ann", on: stage.guest)
        #expect(throws: TelekinesisError.self) { try ActorID.encoded(person.id) }
        await stage.hub.stop()
    }

    @Test func aProxyGotByNameTravelsAsItsName() async throws {
        let stage = try await Stage()
        let other = Room(on: stage.friend)
        try await stage.friend.publish(other, as: "demo/other")
        let byName = try await stage.guest.resolve("demo/other", as: Room.self)
        _ = try await stage.room.join(Person("Ann", on: stage.guest).as($Listener.self))
        #expect(try await stage.room.introduce(to: byName) == 1)
        #expect(stage.friend.session.incoming.registry.heldCount == 0)
        await stage.hub.stop()
    }

    @Test func anInstanceThatIsBeingMadeCanBeHandedOver() async throws {
        let stage = try await Stage()
        let friend = stage.friend
        try await friend.publish(class: "demo/Person") { (name: String) in Person(name, on: friend) }
        let made = try stage.guest.class("demo/Person", of: Person.self)("Zoe")
        #expect(try await stage.room.join(made.as($Listener.self)) == 1)
        #expect(try await stage.room.names() == ["Zoe"])
        await stage.hub.stop()
    }
}

@Resolvable
protocol OtherRoomService: DistributedActor where ActorSystem == Node {
    distributed func enter(_ person: Person) async throws
}

typealias OtherRoom = $OtherRoomService

extension ActorID {
    /// Coded outside of a call.
    static func encoded(_ id: ActorID) throws -> [UInt8] { try MessagePackEncoder().encode(id) }
}
