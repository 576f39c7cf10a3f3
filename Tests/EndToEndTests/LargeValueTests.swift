import Synchronization
import TelekinesisHub
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// Arguments and results too large for one frame.
@Suite(.timeLimit(.minutes(1))) struct LargeValueTests {
    private static let mebibyte = 1024 * 1024

    @Test func laterCallsToTheSameObjectComeAfterALargeOne() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let large = [UInt8](repeating: 1, count: 3 * Self.mebibyte)
        var tasks: [Task<Void, any Error>] = []
        for number in 0..<40 {
            tasks.append(
                Task.immediate {
                    if number % 8 == 0 { try await probe.sized(large, number: number) } else { try await probe.add(number) }
                })
        }
        for task in tasks { try await task.value }
        let order = try await probe.added()
        #expect(order == Array(0..<40))
        #expect(caller.isIdle)
        await hub.stop()
    }

    @Test func callsToOtherObjectsPassALargeOne() async throws {
        let hub = try await startHub { $0.limits.waitingBytesPerName = 100 * Self.mebibyte }
        let provider = try await hub.connect {
            $0.maximumValue = 80 * Self.mebibyte
            $0.maximumPartialBytes = 160 * Self.mebibyte
        }
        let caller = try await hub.connect { $0.maximumValue = 80 * Self.mebibyte }
        try await provider.publish(Probe(on: provider), as: "demo/large")
        try await provider.publish(Probe(on: provider), as: "demo/small")
        let large = try await caller.resolve("demo/large", as: Probe.self)
        let small = try await caller.resolve("demo/small", as: Probe.self)
        let journal = Journal()
        let up = Task {
            let size = try await large.size(of: [UInt8](repeating: 1, count: 64 * Self.mebibyte))
            journal.note("up")
            return size
        }
        let down = Task {
            let bytes = try await large.bytes(64 * Self.mebibyte)
            journal.note("down")
            return bytes.count
        }
        try await eventually { caller.underWay[1] == 1 }
        var passed = 0
        while journal.entries.isEmpty {
            try await small.add(passed)
            passed += 1
        }
        // Behind each other, only the first would have been answered, after the large one.
        #expect(passed > 1)
        #expect(try await up.value == 64 * Self.mebibyte)
        #expect(try await down.value == 64 * Self.mebibyte)
        await hub.stop()
    }

    /// The ways of byte arrays: in one frame, in parts behind one, in front of and behind other arguments, and within one process.
    @Test(arguments: [65_535, 65_536, 65_537, 1_048_576, 1_048_577, 3_000_000])
    func bytesComeBackAsTheyWere(_ size: Int) async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Counter(on: provider), as: "demo/counter")
        try await provider.publish(function: "demo/between") { (first: [UInt8], number: Int, last: [UInt8]) in
            first + [UInt8(number)] + last
        }
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let counter = try await caller.resolve("demo/counter", as: Counter.self)
        #expect(try await counter.echo(bytes) == bytes)
        #expect(try await provider.resolve("demo/counter", as: Counter.self).echo(bytes) == bytes)
        let between: RemoteFunction<([UInt8], Int, [UInt8]) -> [UInt8]> = try await caller.function("demo/between")
        #expect(try await between(bytes, 7, [1, 2]) == bytes + [7, 1, 2])
        #expect(try await between([1, 2], 7, bytes) == [1, 2, 7] + bytes)
        #expect(try await between(bytes, 7, bytes) == bytes + [7] + bytes)
        await hub.stop()
    }

    @Test func manyLargeResultsAtOnceAllArrive() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        try await withThrowingTaskGroup { group in
            for _ in 0..<48 {
                group.addTask { try #require(try await probe.bytes(2 * Self.mebibyte).count == 2 * Self.mebibyte) }
                group.addTask {
                    try #require(try await probe.size(of: [UInt8](repeating: 1, count: 2 * Self.mebibyte)) == 2 * Self.mebibyte)
                }
            }
            try await group.waitForAll()
        }
        try await eventually { caller.isIdle && provider.isIdle }
        await hub.stop()
    }

    @Test func anUploadThatIsCancelledFreesWhatHasArrived() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await way.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        // Without credit the transfer stops half way.
        way.line?.hold(towardsHub: true, towardsNode: false)
        let task = Task { try await probe.size(of: [UInt8](repeating: 1, count: 4 * Self.mebibyte)) }
        try await eventually { provider.session.incoming.counts[2] >= Self.mebibyte }
        let later = Task { try await probe.add(2) }
        try await eventually { caller.underWay[0] == 2 }
        task.cancel()
        #expect(try await failure { try await task.value }.code == .cancelled)
        try await eventually { provider.session.incoming.counts[1...].allSatisfy { $0 == 0 } }
        way.line?.letGo()
        // What waited behind it goes on, and the hub no longer counts the call.
        try await later.value
        try await eventually { caller.isIdle && provider.isIdle && hub.statistics.openCalls == 0 }
        await hub.stop()
    }

    @Test(arguments: [true, false]) func aDownloadThatIsGivenUpFreesWhatHasNotLeft(byCancellation: Bool) async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let (provider, caller) = (try await hub.connect(), try await way.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let task = Task { try await probe.waitForBytes(4 * Self.mebibyte) }
        try await eventually { gate.arrived == 1 }
        way.line?.hold(towardsHub: true, towardsNode: false)
        gate.open()
        try await eventually { provider.session.incoming.counts == [0, 0, 0, 1] }
        if byCancellation {
            task.cancel()
            #expect(try await failure { try await task.value }.code == .cancelled)
            way.line?.letGo()
        } else {
            way.line?.cut()
            #expect(try await failure { try await task.value }.code == .disconnected)
        }
        try await eventually { provider.isIdle && hub.statistics.openCalls == 0 && caller.isIdle }
        await hub.stop()
    }

    @Test func aResultThatIsReadyAfterItsCallerHasGoneIsDropped() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        let gate = Gate()
        try await provider.publish(Probe(on: provider, gate: gate), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let task = Task { try await probe.waitForBytes(4 * Self.mebibyte) }
        try await eventually { gate.arrived == 1 }
        await caller.close()
        _ = await task.result
        try await eventually { hub.statistics.sessions == 1 && hub.statistics.peers == 0 }
        gate.open()
        try await eventually { provider.isIdle }
        await hub.stop()
    }

    @Test func aValueAboveTheLimitIsRefusedByTheNameOfTheLimit() async throws {
        let hub = try await startHub()
        let provider = try await hub.connect { $0.maximumValue = Self.mebibyte }
        let caller = try await hub.connect { $0.maximumValue = Self.mebibyte }
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        let argument = try await failure { try await probe.size(of: [UInt8](repeating: 1, count: 3 * Self.mebibyte)) }
        #expect(argument.code == .tooLarge && argument.ran == .no)
        #expect(argument.message.contains("\(Self.mebibyte) bytes") && argument.message.contains("maximumValue"))
        let result = try await failure { try await probe.bytes(3 * Self.mebibyte) }
        #expect(result.code == .tooLarge && result.ran == .yes)
        #expect(result.message.contains("\(Self.mebibyte) bytes") && result.message.contains("maximumValue"))
        try await probe.add(1)
        try await eventually { caller.isIdle && provider.isIdle && hub.statistics.openCalls == 0 }
        await hub.stop()
    }

    @Test func theBytesOfUnfinishedArgumentsAreBounded() async throws {
        let hub = try await startHub()
        let way = try CuttableHub(hub)
        let provider = try await way.connect { $0.maximumPartialBytes = 3 * Self.mebibyte }
        let caller = try await hub.connect()
        for number in 0..<6 { try await provider.publish(Probe(on: provider), as: "demo/\(number)") }
        var probes: [Probe] = []
        for number in 0..<6 { probes.append(try await caller.resolve("demo/\(number)", as: Probe.self)) }
        way.line?.hold(towardsHub: true, towardsNode: false)
        let tasks = probes.map { probe in Task { try await probe.size(of: [UInt8](repeating: 1, count: 2 * Self.mebibyte)) } }
        try await eventually { provider.session.incoming.counts[2] > 2 * Self.mebibyte }
        #expect(provider.session.incoming.counts[2] <= 3 * Self.mebibyte)
        way.line?.letGo()
        var refused = 0
        for task in tasks {
            do {
                #expect(try await task.value == 2 * Self.mebibyte)
            } catch let error as TelekinesisError {
                #expect(error.code == .overloaded && error.ran == .no)
                refused += 1
            }
        }
        #expect((1...5).contains(refused))
        try await eventually { caller.isIdle && provider.isIdle && hub.statistics.openCalls == 0 }
        await hub.stop()
    }
}
