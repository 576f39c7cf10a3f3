import Foundation
import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// A hub in a process of its own, whose memory can be seen.
@Suite(.timeLimit(.minutes(2))) struct HubMemoryTests {
    private static let mebibyte = 1024 * 1024

    /// `tk hub`, as long as the value is there.
    private final class HubProcess {
        let url: String
        private let process = Process()

        init(_ arguments: [String]) throws {
            let folder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            process.executableURL = folder.appending(path: "tk")
            process.arguments = ["hub", "--port", "0"] + arguments
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            url = try #require(line.split(whereSeparator: \.isWhitespace).last.map(String.init), "the hub did not start: \(line)")
        }

        deinit {
            process.terminate()
            process.waitUntilExit()
        }

        /// The most memory that it has had at once, in bytes.
        var peak: Int {
            get throws {
                let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
                let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
                return try #require(line.split(separator: " ").compactMap { Int($0) }.first) * 1024
            }
        }
    }

    @Test func aLargeValueNeverIsInTheHubsMemory() async throws {
        let hub = try HubProcess(["--log-level", "error"])
        let (provider, caller) = (try await Node.connect(to: hub.url), try await Node.connect(to: hub.url))
        try await provider.publish(Archive(on: provider), as: "demo/archive")
        let archive = try await caller.resolve("demo/archive", as: Archive.self)
        _ = try await archive.echo(StoredData([UInt8](repeating: 1, count: Self.mebibyte)))
        let before = try hub.peak
        var bytes = [UInt8](repeating: 7, count: 100 * Self.mebibyte)
        for index in stride(from: 0, to: bytes.count, by: 60_000) { bytes[index] = UInt8(truncatingIfNeeded: index / 60_000) }
        let data = StoredData(bytes)
        let started = ContinuousClock.now
        #expect(try await archive.echo(data) == data)
        let growth = try hub.peak - before
        print("100 MiB there and back in \(ContinuousClock.now - started); the hub's memory grew by \(growth / 1024) KiB")
        #expect(growth < 16 * Self.mebibyte)
        await provider.close()
        await caller.close()
    }
}
