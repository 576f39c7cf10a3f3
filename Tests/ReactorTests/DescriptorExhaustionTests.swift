import CSystem
import Glibc
import Testing

@testable import Reactor

/// In a process of its own, because the limit holds for all that runs in it.
@Suite struct DescriptorExhaustionTests {
    @Test func aListenerOutOfDescriptorsRefusesAndRecovers() async {
        await #expect(processExitsWith: .success) {
            let server = try await Loopback { EchoPeer() }
            let (first, peer) = try await server.dial()
            await peer.write([0])
            guard await peer.read(1) == [0] else { exit(1) }
            // The clients have their descriptors; then all others are taken.
            let clients = (0..<20).map { _ in tk_stream_socket(AF_INET) }
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = 64
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var hoard: [Int32] = []
            while case let descriptor = open("/dev/null", O_RDONLY), descriptor >= 0 { hoard.append(descriptor) }
            guard !hoard.isEmpty else { exit(2) }
            var refusals = 0
            for client in clients {
                _ = fcntl(client, F_SETFL, 0)
                guard server.listener.addresses[0].withSystemAddress({ connect(client, $0, $1) }) == 0 else { exit(3) }
                // Refused at once, not left waiting; or served, where the process has let go of a descriptor by itself.
                var byte: UInt8 = 7
                _ = send(client, &byte, 1, Int32(MSG_NOSIGNAL))
                if read(client, &byte, 1) <= 0 { refusals += 1 }
            }
            guard refusals > clients.count / 2 else { exit(4) }
            // Those who were there are still served, and so is everybody once there are descriptors again.
            await peer.write([1, 2, 3])
            guard await peer.read(3) == [1, 2, 3] else { exit(5) }
            for descriptor in hoard { close(descriptor) }
            let (_, late) = try await server.dial()
            await late.write([4])
            guard await late.read(1) == [4] else { exit(6) }
            first.close()
            exit(0)
        }
    }
}
