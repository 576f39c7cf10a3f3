import Glibc
import Telekinesis
import TelekinesisHub
import Testing

@testable import tk

/// `tk call` at a terminal: what a method tells is shown there, what it asks is answered there.
@Suite(.serialized, .timeLimit(.minutes(2))) @MainActor struct TerminalTests {
    /// A hub with a service that asks.
    private func withHub(_ body: (String) async throws -> Void) async throws {
        var configuration = HubConfiguration()
        configuration.host = "127.0.0.1"
        configuration.port = 0
        configuration.loops = 1
        configuration.logger = .silent
        let hub = try await Hub.start(configuration)
        var settings = NodeConfiguration()
        settings.logger = .silent
        let node = try await Node.connect(to: hub.url, configuration: settings)
        try await node.publish(function: "test/sign-in") { () throws -> String in
            let context = CallContext.current
            let name = try await context.ask("Name")
            let password = try await context.ask("Password", secret: true)
            return "\(name) has \(password.count) letters, \(String(password.reversed()))"
        }
        try await body(hub.url ?? "")
        await node.close()
        await hub.stop()
    }

    @Test func aSecretIsNotShownWhileItIsTyped() async throws {
        try await withHub { url in
            let terminal = try Pseudoterminal(["call", "test/sign-in", "--hub", url])
            try await terminal.wait(for: "Name: ")
            #expect(terminal.echoes)
            terminal.type("Ann\n")
            try await terminal.wait(for: "Password: ")
            try await terminal.wait(until: { !terminal.echoes })
            terminal.type("sesame\n")
            #expect(try await terminal.end() == 0)
            #expect(terminal.shown.hasSuffix("Ann has 6 letters, emases\r\n"))
            #expect(!terminal.shown.contains("sesame"))
            #expect(terminal.echoes)
        }
    }

    @Test func whoeverInterruptsTheQuestionGetsHisTerminalBack() async throws {
        try await withHub { url in
            let terminal = try Pseudoterminal(["call", "test/sign-in", "--hub", url])
            try await terminal.wait(for: "Name: ")
            terminal.type("Ann\n")
            try await terminal.wait(for: "Password: ")
            try await terminal.wait(until: { !terminal.echoes })
            terminal.type("ses")
            terminal.type("\u{3}")
            #expect(try await terminal.end() == -SIGINT)
            #expect(terminal.echoes)
            #expect(!terminal.shown.contains("ses\u{3}"))
        }
    }

    @Test func aCallThatEndsDuringTheQuestionGivesTheTerminalBack() async throws {
        try await withHub { url in
            let terminal = try Pseudoterminal(["call", "test/sign-in", "--hub", url, "--timeout", "2"])
            try await terminal.wait(for: "Name: ")
            terminal.type("Ann\n")
            try await terminal.wait(for: "Password: ")
            try await terminal.wait(until: { !terminal.echoes })
            #expect(try await terminal.end() == 1)
            #expect(terminal.shown.contains("\r\ntk: deadlineExceeded"))
            #expect(terminal.echoes)
        }
    }

    @Test func theEndOfTheInputIsNoAnswer() async throws {
        try await withHub { url in
            let terminal = try Pseudoterminal(["call", "test/sign-in", "--hub", url])
            try await terminal.wait(for: "Name: ")
            terminal.type("\u{4}")
            #expect(try await terminal.end() == 1)
            #expect(terminal.shown.contains("the method asks “Name”, and there was no answer"))
        }
    }

    @Test func withoutATerminalAQuestionIsRefused() async throws {
        try await withHub { url in
            let terminal = try Pseudoterminal(["call", "test/sign-in", "--hub", url], input: "/dev/null")
            #expect(try await terminal.end() == 1)
            #expect(terminal.shown.contains("tk: unsupported: the method asks “Name”, and standard input is no terminal"))
            #expect(!terminal.shown.contains("Name: "))
        }
    }
}
