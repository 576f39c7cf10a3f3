import Distributed
@testable import Telekinesis
import TelekinesisHub
import TelekinesisProtocol
import Testing

/// Calls on what other calls are yet to return, through a real hub.
@Suite(.timeLimit(.minutes(1))) struct PipeliningTests {
    /// A hub, a provider with a folder, a caller, and a third node.
    struct Stage {
        let hub: Hub
        let provider: Node
        let caller: Node
        let other: Node
        let watch = Watch()
        let gate = Gate()
        let journal = Journal()
        /// By name.
        let root: Folder

        init(_ change: (inout NodeConfiguration) -> Void = { _ in }) async throws {
            hub = try await startHub()
            provider = try await hub.connect(change)
            caller = try await hub.connect()
            other = try await hub.connect()
            try await provider.publish(Folder(on: provider, watch, gate: gate, journal: journal), as: "demo/root")
            root = try await caller.resolve("demo/root", as: Folder.self)
        }

        /// Whether nothing is left of any call or object but the published folder.
        var isClean: Bool {
            let nodes = [provider, caller, other]
            return nodes.allSatisfy { $0.session.incoming.registry.heldCount == 0 && $0.isIdle }
                && provider.session.incoming.registry.entryCount == 1 && watch.alive == 1
                && hub.statistics.created == 0 && hub.statistics.openCalls == 0
        }

        func end() async throws {
            try await eventually(within: .seconds(3)) { isClean }
            await hub.stop()
        }
    }

    @Test func aChainIsCalledByNameAndByReference() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            #expect(try await withPipelining { try await root.open("a").open("b").open("c").path() } == "a/b/c")
            let folder = try await root.open("x")
            #expect(try await withPipelining { try await folder.open("y").same().open("z").path() } == "x/y/z")
            // Through the stub of a protocol.
            let stub = try await stage.caller.resolve("demo/root", as: $FolderService.self)
            #expect(try await withPipelining { try await stub.open("s").open("t").path() } == "s/t")
        }
        try await stage.end()
    }

    /// All of a chain is executed while nothing comes back to its caller: no call has waited for the answer to another one.
    @Test(arguments: [false, true]) func aChainTakesOneRoundTrip(byReference: Bool) async throws {
        let stage = try await Stage()
        let way = try CuttableHub(stage.hub)
        let caller = try await way.connect()
        let line = try #require(way.line)
        var start = try await caller.resolve("demo/root", as: Folder.self)
        if byReference { start = try await start.open("by reference") }
        let before = stage.journal.entries.count
        line.hold(towardsHub: false, towardsNode: true)
        let task = Task { [start] in
            try await withPipelining {
                var folder = start
                for number in 0..<20 { folder = try await folder.open("\(number)") }
                return try await folder.next("end")
            }
        }
        try await eventually { stage.journal.entries.count == before + 21 }
        #expect(Array(stage.journal.entries.dropFirst(before)) == (0..<20).map(String.init) + ["end"])
        line.letGo()
        #expect(try await task.value == 1)
        await caller.close()
        await stage.hub.stop()
    }

    @Test func withoutItEachCallIsAwaited() async throws {
        let stage = try await Stage()
        await #expect(throws: Trouble(message: "now")) { try await stage.root.fail("now") }
        await stage.hub.stop()
    }

    @Test func callsOfAnObjectThatIsNotThereYetKeepTheirOrder() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let folder = try await withPipelining { try await root.openSlowly("a") }
            let tasks = (0..<20).map { number in Task.immediate { try await folder.next("call \(number)") } }
            try await eventually { stage.gate.arrived == 1 }
            stage.gate.open()
            for (number, task) in tasks.enumerated() { #expect(try await task.value == number + 1) }
        }
        try await stage.end()
    }

    @Test func aFailureIsThrownByAllThatDependsOnIt() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            for start in [root, try await root.open("by reference")] {
                await #expect(throws: Trouble(message: "broken")) {
                    try await withPipelining { try await start.open("a").fail("broken").open("b").open("c").path() }
                }
                // Also by what is called when the failure is known.
                let broken = try await withPipelining { try await start.fail("late") }
                await #expect(throws: Trouble(message: "late")) { try await broken.path() }
                await #expect(throws: Trouble(message: "late")) { try await withPipelining { try await broken.open("x").path() } }
                await #expect(throws: Trouble(message: "late")) { try await root.link("x", to: broken) }
            }
        }
        try await stage.end()
    }

    @Test func aNameThatNobodyServesFailsAllOfTheChain() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            await stage.provider.close()
            let error = try await failure { try await withPipelining { try await root.open("a").open("b").path() } }
            #expect(error.code == .noProvider && error.ran == .no)
        }
        try await eventually { stage.caller.isIdle && stage.hub.statistics.created == 0 }
        await stage.hub.stop()
    }

    @Test func anObjectOfAnotherNodeFailsTheCallsThatWereSentAhead() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let elsewhere = Folder(["elsewhere"], on: stage.other)
            let theirs = try await stage.other.resolve("demo/root", as: Folder.self)
            try await theirs.link("x", to: elsewhere)
            try await theirs.link("name", to: theirs)
            let error = try await failure { try await withPipelining { try await root.linked("x").open("y").path() } }
            #expect(error.code == .unsupported && error.message.contains("\(stage.other.id)") && error.ran == .no)
            // Awaited, it works.
            #expect(try await root.linked("x").path() == "elsewhere")
            try await theirs.link("x", to: theirs)
        }
        await stage.hub.stop()
    }

    @Test func bothKeysOfAnObjectNameIt() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let folder = try await root.open("a")
            let again = try await withPipelining { try await folder.same() }
            #expect(try await again.next("one") == 1)
            #expect(try await folder.next("two") == 2)
            let isMe = (try await folder.isMe(again), try await again.isMe(folder))
            #expect(isMe == (true, true))
            // The known limit: the caller has chosen the key before it could know the other.
            #expect(again.id != folder.id)
        }
        try await stage.end()
    }

    @Test func aResultIsHandedOverWhenItIsThere() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let path = try await withPipelining { try await root.pathOf(root.open("a").open("b")) }
            #expect(path == "a/b")
            let folder = try await root.open("f")
            #expect(try await withPipelining { try await folder.pathOf(folder.open("g")) } == "f/g")
            // To a third node, and back from there to the owner.
            let mine = Folder(["mine"], on: stage.other)
            let text = try stage.other.text(of: mine)
            let theirs = try stage.caller.resolve(text: text, as: Folder.self)
            #expect(try await withPipelining { try await theirs.pathOf(folder.open("h")) } == "f/h")
        }
        try await stage.end()
    }

    @Test func aMethodMayReturnWhatItHasJustMadeElsewhere() async throws {
        let stage = try await Stage()
        let other = stage.other
        try await other.publish(class: "demo/Folder") { Folder(["made"], on: other) }
        do {
            let root = stage.root
            #expect(try await root.make("demo/Folder").path() == "made")
            let error = try await failure { try await root.make("demo/Nothing") }
            #expect(error.code == .noSuchName)
            let tooEarly = try await failure { try await withPipelining { try await root.make("demo/Folder").path() } }
            #expect(tooEarly.code == .unsupported)
        }
        try await stage.end()
    }

    @Test func whatIsNoObjectIsAwaited() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            try await withPipelining {
                let nothing = try await root.find(nil)
                #expect(nothing == nil)
                let found = try #require(try await root.find("a"))
                let path = try await found.path()
                #expect(path == "a")
            }
        }
        try await stage.end()
    }

    @Test func objectsOfTheOwnNodeAndInterceptedCallsAreAwaited() async throws {
        let stage = try await Stage()
        let own = Folder(on: stage.caller)
        await #expect(throws: Trouble(message: "here")) { try await withPipelining { _ = try await own.fail("here") } }
        stage.caller.intercept(outgoing: { call, next in try await next(call) })
        let root = stage.root
        await #expect(throws: Trouble(message: "there")) { try await withPipelining { _ = try await root.fail("there") } }
        #expect(try await withPipelining { try await root.open("a").open("b").path() } == "a/b")
        await stage.hub.stop()
    }

    @Test func resultsThatNobodyWantsAreReleased() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let folder = try await root.open("by reference")
            try await withPipelining {
                for number in 0..<100 {
                    _ = try await root.open("\(number)")
                    _ = try await folder.open("\(number)").open("below")
                    _ = try await root.fail("unheard")
                    _ = try await folder.fail("unheard").open("below")
                }
                // All that was sent before has been worked off when this is answered.
                _ = try await root.next("")
            }
        }
        try await stage.end()
    }

    @Test func aCancelledTaskCancelsWhatIsUnderWay() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let folder = try await root.open("by reference")
            for start in [root, folder] {
                let entered = stage.watch.enteredCount
                let task = Task { try await withPipelining { try await start.openNever().open("b").path() } }
                try await eventually { stage.watch.enteredCount == entered + 1 }
                task.cancel()
                await #expect(throws: TelekinesisError.self) { try await task.value }
                try await eventually { stage.watch.cancelledCount == entered + 1 }
            }
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await withPipelining { try await root.openNever().path() }
            }
            await #expect(throws: TelekinesisError.self) { try await task.value }
        }
        try await stage.end()
    }

    @Test func theEndOfTheProviderFailsWhatIsUnderWay() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let folder = try await root.open("by reference")
            let tasks = [root, folder].map { start in
                Task { try await withPipelining { try await start.openSlowly("a").open("b").path() } }
            }
            try await eventually { stage.gate.arrived == 2 }
            await stage.provider.close()
            stage.gate.open()
            for task in tasks { await #expect(throws: TelekinesisError.self) { try await task.value } }
        }
        try await eventually(within: .seconds(3)) {
            stage.caller.isIdle && stage.hub.statistics.created == 0 && stage.hub.statistics.openCalls == 0
        }
        await stage.hub.stop()
    }

    @Test func theEndOfTheCallerReleasesWhatItWasPromised() async throws {
        let stage = try await Stage()
        let leaver = try await stage.hub.connect()
        do {
            let root = try await leaver.resolve("demo/root", as: Folder.self)
            let task = Task { try await withPipelining { try await root.openSlowly("a").openSlowly("b").path() } }
            try await eventually { stage.gate.arrived == 1 }
            await leaver.close()
            stage.gate.open()
            await #expect(throws: TelekinesisError.self) { try await task.value }
        }
        try await stage.end()
    }

    @Test func largeArgumentsDoNotHoldUpTheKey() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let folder = try await root.open("f")
            for start in [root, folder] {
                let path = try await withPipelining {
                    // The second waits behind the first at the caller, and what is called on its result behind that.
                    _ = try await start.open("x", with: [UInt8](repeating: 1, count: 3_000_000))
                    return try await start.open("a", with: [1]).open("y", with: [UInt8](repeating: 1, count: 300_000)).open("b").path()
                }
                #expect(path.hasSuffix("a1/y300000/b"))
            }
        }
        try await stage.end()
    }

    @Test func aLongChainThatFailsIsUnwoundInALoop() async throws {
        let stage = try await Stage()
        do {
            let root = stage.root
            let task = Task {
                try await withPipelining {
                    var folder = try await root.openSlowly("a").fail("at the head")
                    for _ in 0..<900 { folder = try await folder.same() }
                    return try await folder.path()
                }
            }
            try await eventually { stage.gate.arrived == 1 && stage.provider.underWay[3] == 903 }
            stage.gate.open()
            await #expect(throws: Trouble(message: "at the head")) { try await task.value }
        }
        try await stage.end()
    }

    @Test func moreThanANodeMayHoldIsRefusedByName() async throws {
        let stage = try await Stage { $0.maximumHeldObjects = 3 }
        do {
            let root = stage.root
            let error = try await failure {
                try await withPipelining {
                    let one = try await root.open("a")
                    let two = try await one.open("b")
                    let three = try await two.open("c")
                    let four = try await three.open("d")
                    // Each is held until then: what is let go of makes room.
                    defer { withExtendedLifetime((one, two, three, four)) {} }
                    return try await four.path()
                }
            }
            #expect(error.code == .overloaded && error.ran == .no)
        }
        try await stage.end()
    }
}
