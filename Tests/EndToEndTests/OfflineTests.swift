import Reactor
import Synchronization
import Telekinesis
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

/// What happens to calls while there is no hub, and afterwards.
@Suite(.timeLimit(.minutes(1))) struct OfflineTests {
    @Test func aNodeClosesWhoseCallsHaveEndedWhileTheyWaitedForAHub() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        do {
            let probe = try await caller.resolve("demo/probe", as: Probe.self)
            let make = caller.class("demo/Class", of: Probe.self)
            await hub.stop()
            try await eventually {
                let error = try await failure { try await withDeadline(.milliseconds(5)) { try await probe.added() } }
                return error.code == .deadlineExceeded && error.ran == .no
            }
            // Calls that wait for the hub are all that is left of these.
            let error = try await failure { try await withDeadline(.milliseconds(5)) { try await make().added() } }
            #expect(error.ran == .no)
            // Why there is none is told as well.
            try await eventually {
                let error = try await failure { try await withDeadline(.milliseconds(5)) { try await probe.added() } }
                return (error.cause as? TelekinesisError)?.code == .unreachable
            }
        }
        await caller.close()
        await provider.close()
        await #expect(throws: TelekinesisError.self) { try await caller.ping() }
    }

    @Test func deadlinesThatAreOverWhenTheyAreSetDoNotHoldUpTheNext() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Probe(on: provider), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        for _ in 0..<500 {
            let error = try await failure { try await withDeadline(.after(.microseconds(20))) { try await probe.hang() } }
            try #require(error.code == .deadlineExceeded)
        }
        await caller.close()
        await provider.close()
        await hub.stop()
    }

    @Test func deadlinesHoldAfterTheNodeHasComeBack() async throws {
        let clock = VirtualClock()
        var configuration = HubConfiguration()
        configuration.host = nil
        configuration.logger = .silent
        let hub = try await Hub.start(configuration, on: EventLoopGroup(loops: 1, clock: .virtual(clock)))
        var quiet = NodeConfiguration()
        quiet.logger = .silent
        let (provider, caller) = (
            try await Node.connect(to: hub, configuration: quiet), try await Node.connect(to: hub, configuration: quiet)
        )
        let watch = Watch()
        try await provider.publish(Probe(on: provider, watch), as: "demo/probe")
        let probe = try await caller.resolve("demo/probe", as: Probe.self)
        // Nothing is under way, and no timer waits.
        await clock.advance(by: 60_000_000_000)
        let id = caller.id
        let session = try #require(hub.board.session(of: id))
        session.close(TelekinesisError(.disconnected, "the test cuts the connection"))
        await clock.advance(by: 1_000_000_000)
        try await eventually { hub.statistics.sessions == 2 }
        let call = Task { try await probe.hang() }
        try await eventually { watch.enteredCount == 1 }
        await clock.advance(by: 31_000_000_000)
        let error = try await #require(throws: TelekinesisError.self) { try await call.value }
        #expect(error.code == .deadlineExceeded)
    }
}
