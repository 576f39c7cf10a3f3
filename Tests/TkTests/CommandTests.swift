import TelekinesisHub
import Testing

@testable import tk

@MainActor
struct CommandTests {
    @Test func everyCommandExplainsItself() {
        for command in Commands.all {
            let syntax = command.syntax
            #expect(syntax.summary.hasSuffix("."), "\(syntax.name)")
            #expect(syntax.isHidden || !syntax.examples.isEmpty, "\(syntax.name)")
            #expect(syntax.operands.dropLast().allSatisfy { !$0.isRepeated }, "\(syntax.name)")
        }
        #expect(Set(Commands.all.map { $0.syntax.name }).count == Commands.all.count)
    }

    @Test func everyExampleCanBeTyped() throws {
        for command in Commands.all {
            for example in command.syntax.examples {
                let words = example.split(separator: " ").map(String.init)
                #expect(words[0] == "tk" && words[1] == command.syntax.name)
                _ = try Arguments(Array(words.dropFirst(2)), syntax: command.syntax, environment: [:])
            }
        }
    }

    @Test func exitCodesTellUsageFromFailure() async {
        #expect(await Main.run(["version"], [:]) == .success)
        #expect(await Main.run(["ls", "--help"], [:]) == .success)
        #expect(await Main.run([], [:]) == .usage)
        #expect(await Main.run(["fly"], [:]) == .usage)
        #expect(await Main.run(["describe"], [:]) == .usage)
        #expect(await Main.run(["hub", "--port", "70000"], [:]) == .usage)
        #expect(await Main.run(["ls", "--hub", "ws://127.0.0.1:1"], [:]) == .failure)
        for address in ["http://localhost", "wss://localhost", "localhost"] {
            #expect(await Main.run(["ls", "--hub", address], [:]) == .usage, "\(address)")
        }
        #expect(await Main.run(["help", "nope"], [:]) == .usage)
    }

    @Test func namesThatAreNoneAreMistakesOfTheCommandLine() async throws {
        var configuration = HubConfiguration()
        configuration.host = "127.0.0.1"
        configuration.port = 0
        configuration.logger = .silent
        let hub = try await Hub.start(configuration)
        let address = ["--hub", hub.url ?? ""]
        for name in ["", "demo/", "/"] {
            for command in ["describe", "ping", "call"] {
                #expect(await Main.run([command, name] + address, [:]) == .usage, "\(command) \(name)")
            }
        }
        #expect(await Main.run(["describe", "demo/nothing", "--timeout", "5"] + address, [:]) == .failure)
        await hub.stop()
    }

    @Test func theHubIsConfiguredByItsOptions() throws {
        func configuration(_ words: String...) throws -> HubOptions {
            let arguments = try Arguments(words, syntax: HubCommand.syntax, environment: [:])
            let result = try HubCommand.configuration(arguments)
            return HubOptions(
                host: result.host, port: result.port, insecure: result.insecure, origins: result.allowedOrigins, hosts: result.allowedHosts,
                state: result.stateDirectory, loops: result.loops, level: result.logger.level.description)
        }
        #expect(try configuration() == HubOptions())
        #expect(
            try configuration(
                "--host", "::", "--port", "0", "--insecure", "--allow-origin", "https://a.example", "--allow-origin", "https://b.example",
                "--allow-host", "hub.example", "--state", "kept", "--loops", "2", "--log-level", "debug")
                == HubOptions(
                    host: "::", port: 0, insecure: true, origins: ["https://a.example", "https://b.example"], hosts: ["hub.example"],
                    state: "kept", loops: 2, level: "debug"))
        #expect(throws: UsageError.self) { try configuration("--log-level", "loud") }
        for origin in ["foo", "example.org", "https://", "https://example.org/", "https:/example.org", "://example.org"] {
            #expect(throws: UsageError.self, "\(origin)") { try configuration("--allow-origin", origin) }
        }
    }

    private struct HubOptions: Equatable {
        var host: String? = "localhost"
        var port: UInt16 = 3388
        var insecure = false
        var origins: [String] = []
        var hosts: [String] = []
        var state: String?
        var loops: Int?
        var level = "warning"
    }

    @Test func theReadyLineGivesTheAddress() {
        #expect(HubCommand.address(readyLine: "tk hub ready on ws://127.0.0.1:3388") == "ws://127.0.0.1:3388")
        #expect(HubCommand.address(readyLine: "something else") == nil)
    }
}
