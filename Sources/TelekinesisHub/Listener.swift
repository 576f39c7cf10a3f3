internal import Reactor
internal import TelekinesisLink
internal import TelekinesisProtocol

/// Where a hub takes connections.
final class Listener: Sendable {
    let urls: [String] = []

    /// Listens, unless the configuration says otherwise.
    static func open(_ configuration: HubConfiguration, _ board: Switchboard, _ group: EventLoopGroup) async throws -> Listener? {
        guard configuration.host != nil else { return nil }
        throw TelekinesisError(.unsupported, "listening is not there yet: set `host` to nil and join in this process")
    }

    func close() {}
}
