import Glibc
import TelekinesisHub

do {
    // A hub is a library: `tk hub` does the same with more options.
    var configuration = HubConfiguration()
    if let port = CommandLine.arguments.dropFirst().first.flatMap(UInt16.init) { configuration.port = port }

    let hub = try await Hub.start(configuration)
    print("hub ready on \(hub.url ?? "no address")")
    try await hub.run()
} catch {
    print("no hub: \(error)")
    exit(1)
}
