import Glibc
import Testing

@testable import tk

@MainActor
struct ChildProcessTests {
    private func shell(_ script: String, environment: [String: String] = [:]) throws -> ChildProcess {
        try ChildProcess(["-c", script], of: "/bin/sh", environment: environment, output: .piped)
    }

    @Test func linesAndExitCodeOfAChildAreSeen() throws {
        var child = try shell("echo one; printf 'two\\nthree'; exit 3")
        #expect(try child.readLine() == "one")
        #expect(try child.readLine() == "two")
        #expect(try child.readLine() == nil)
        #expect(child.wait() == 3)
        #expect(child.wait() == 3)
    }

    @Test func aChildGetsTheEnvironmentWithChanges() throws {
        var child = try shell("echo $GREETING; test -n \"$PATH\" && echo path", environment: ["GREETING": "hello there"])
        #expect(try child.readLine() == "hello there")
        #expect(try child.readLine() == "path")
    }

    @Test func stoppingIsPoliteAndTellsHowItEnded() throws {
        var polite = try shell("trap 'exit 7' TERM; echo ready; while :; do :; done")
        #expect(try polite.readLine() == "ready")
        #expect(polite.stop() == 7)
        var killed = try shell("echo ready; exec sleep 100")
        #expect(try killed.readLine() == "ready")
        #expect(killed.stop() == -SIGTERM)
    }

    @Test func aChildThatNobodyHoldsEnds() throws {
        let id = try leave()
        #expect(kill(id, 0) == -1 && errno == ESRCH)
    }

    private func leave() throws -> pid_t {
        let child = try shell("trap '' TERM; exec sleep 100")
        return child.id
    }

    @Test func silenceIsAnError() throws {
        var child = try shell("exec sleep 100")
        #expect(throws: CommandFailure.self) { try child.readLine(within: 0.01) }
    }

    @Test func aProgramThatIsNotThereIsAnError() {
        #expect(throws: CommandFailure.self) { _ = try ChildProcess([], of: "/nowhere/at-all") }
    }
}
