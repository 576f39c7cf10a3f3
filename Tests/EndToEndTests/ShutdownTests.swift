import Telekinesis
import TelekinesisHub
import Testing

@Suite(.timeLimit(.minutes(1))) struct ShutdownTests {
    @Test func aNodeWhoseHubHasGoneDoesNotWaitForIt() async throws {
        var configuration = HubConfiguration()
        configuration.port = 0
        configuration.logger = .silent
        let hub = try await Hub.start(configuration)
        var patient = NodeConfiguration()
        patient.drainTime = .seconds(3600)
        patient.logger = .silent
        let node = try await Node.connect(to: hub.url, configuration: patient)
        try await node.publish(function: "demo/one") { 1 }
        try await node.publish(function: "demo/two") { 2 }
        await hub.stop()
        await node.shutdown()
        await #expect(throws: TelekinesisError.self) { try await node.ping() }
    }
}
