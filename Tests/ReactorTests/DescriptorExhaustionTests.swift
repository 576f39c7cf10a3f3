import Glibc
import Testing

@testable import Reactor

/// In a process of its own, because the limit holds for all that runs in it.
@Suite struct DescriptorExhaustionTests {
    @Test func aListenerOutOfDescriptorsRefusesAndRecovers() async {
        await #expect(processExitsWith: .success) {
            let server = try await Loopback { EchoPeer() }
            let (first, peer) = try await server.dial()
            var old = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &old)
            // All descriptors but one are taken: enough for the client's socket, not for the server's.
            var hoard: [Int32] = []
            var low = rlimit(rlim_cur: 64, rlim_max: old.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low)
            while true {
                let descriptor = open("/dev/null", O_RDONLY)
                if descriptor < 0 { break }
                hoard.append(descriptor)
            }
            for _ in 0..<20 {
                close(hoard.removeLast())
                let (stream, refused) = try await server.dial()
                // Refused by the server, at once: nobody has to give up on it.
                if await refused.end == .closed { exit(1) }
                stream.close()
                let descriptor = open("/dev/null", O_RDONLY)
                if descriptor >= 0 { hoard.append(descriptor) }
            }
            // Those who were there are still served, and so is everybody once there are descriptors again.
            await peer.write([1, 2, 3])
            guard await peer.read(3) == [1, 2, 3] else { exit(2) }
            for descriptor in hoard { close(descriptor) }
            let (_, late) = try await server.dial()
            await late.write([4])
            guard await late.read(1) == [4] else { exit(3) }
            first.close()
            exit(0)
        }
    }
}
