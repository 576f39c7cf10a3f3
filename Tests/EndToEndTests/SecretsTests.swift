import Foundation
import MessagePack
import Synchronization
import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import Telekinesis
@testable import TelekinesisHub

/// What must not be told is in no log, however talkative, and in no error that goes to a peer.
@Suite(.timeLimit(.minutes(1))) struct SecretsTests {
    /// Everything that hub and nodes log.
    private final class Log: Sendable {
        private let lines = Mutex<[String]>([])

        var handler: LogHandler {
            LogHandler(level: .debug) { level, message, fields in
                let line = "\(level) \(message) " + fields.map { "\($0)=\($1)" }.joined(separator: " ")
                self.lines.withLock { $0.append(line) }
            }
        }

        var all: [String] { lines.withLock { $0 } }

        func has(_ text: String) -> Bool { all.contains { $0.contains(text) } }
    }

    /// Proves the secret, and remembers the proofs of both ends.
    private final class Witness: Credential {
        private let secret: SharedSecret
        private let seen = Mutex<[[UInt8]]>([])

        init(_ secret: SharedSecret) { self.secret = secret }

        var method: String { secret.method }
        var proofs: [[UInt8]] { seen.withLock { $0 } }

        func proof(for challenge: Challenge) throws -> [UInt8] {
            let proof = try secret.proof(for: challenge)
            seen.withLock { $0.append(proof) }
            return proof
        }

        func check(hubProof: [UInt8], for challenge: Challenge) throws {
            seen.withLock { $0.append(hubProof) }
            try secret.check(hubProof: hubProof, for: challenge)
        }
    }

    /// The ways in which bytes get into a text; of each the beginning.
    private static func forms(_ bytes: [UInt8]) -> [String] {
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let list = bytes.prefix(6).map { "\($0)" }.joined(separator: ", ")
        return [String(hex.prefix(16)), String(hex.prefix(16)).uppercased(), String(Data(bytes).base64EncodedString().prefix(10)), list]
    }

    @Test func noLogHasASecretATicketAKeyOrAnArgument() async throws {
        try await withTemporaryDirectory { directory in
            let (secretText, argument) = ("correct horse battery staple", "an argument nobody else should see")
            let file = directory + "/secret"
            _ = FileManager.default.createFile(atPath: file, contents: Data(secretText.utf8), attributes: [.posixPermissions: 0o600])
            let log = Log()
            let secret = try SharedSecret(file: file)
            let witness = Witness(secret)
            let hub = try await startHub {
                $0.logger = log.handler
                $0.authenticator = secret
                $0.stateDirectory = directory + "/state"
            }
            let nodes = try await [hub.connect(witness, log.handler), hub.connect(witness, log.handler)]
            let (provider, caller) = (nodes[0], nodes[1])
            try await provider.publish(function: "echo") { (text: String) in text }
            try await provider.publish(function: "fail") { (text: String) throws -> Int in throw Opaque() }
            let probe = Probe(on: provider)
            try await provider.publish(probe, as: "probe")
            // Calls of all kinds: that succeed, fail, do not fit, carry headers, hand something over, and store.
            let echo = try await caller.function("echo", as: ((String) -> String).self)
            #expect(try await withHeaders(["authorization": argument]) { try await echo(argument) } == argument)
            _ = try await failure { try await caller.function("fail", as: ((String) -> Int).self)(argument) }
            _ = try await failure { try await caller.call("echo", words: [argument, argument]) }
            _ = try await failure { try await caller.call("probe", words: [argument]) }
            let stored = StoredData(Array(repeating: Array(argument.utf8), count: 10_000).joined().map { $0 })
            try await provider.publish(function: "keep") { (data: StoredData) in data.count }
            _ = try await caller.function("keep", as: ((StoredData) -> Int).self)(stored)
            // One who does not know the secret, and one who breaks the rules.
            let wrong = try SharedSecret(Array("something else altogether".utf8))
            _ = try await failure { try await hub.connect(wrong, log.handler) }
            let tickets = nodes.compactMap { $0.session.state.withLock { $0.ticket } }
            #expect(tickets.count == 2)
            let rude = try await hub.connect(witness, log.handler)
            rude.session.state.withLock { $0.phase.link }?.send(FrameWriter.frame(.hello, body: Array(argument.utf8)))
            // Both come back by their tickets, and publish again.
            for node in nodes { hub.board.session(of: node.id)?.close(TelekinesisError(.internalError, "cut by the test")) }
            for words in ["the connection to the hub was lost", "connected to the hub again", "not let in", "broke the rules", "published"]
            {
                try await eventually { log.has(words) }
            }
            // Connected is not yet published again.
            let again = try await caller.function("echo", as: ((String) -> String).self, waitingUpTo: .seconds(10))
            #expect(try await again(argument) == argument)
            let later = nodes.compactMap { $0.session.state.withLock { $0.ticket } }
            let key = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory + "/state/hub.key")))
            let reference = try provider.text(of: probe)
            for node in nodes + [rude] { await node.close() }
            await hub.stop()

            #expect(witness.proofs.count >= 6)
            let secrets = [Array(secretText.utf8), key, Array(argument.utf8)] + witness.proofs + tickets + later
            let texts = secrets.flatMap(Self.forms) + ["horse", "nobody else", String(reference.suffix(32))]
            for line in log.all {
                for text in texts where line.contains(text) { Issue.record("“\(text)” is in “\(line)”") }
            }
        }
    }

    @Test func noErrorTellsAPeerWhereTheHubKeepsThings() async throws {
        try await withTemporaryDirectory { directory in
            let hub = try await startHub { $0.storeDirectory = directory + "/store" }
            let (provider, caller) = (try await hub.connect(), try await hub.connect())
            try await provider.publish(function: "keep") { (data: StoredData) in data.count }
            let keep = try await caller.function("keep", as: ((StoredData) -> Int).self)
            #expect(try await keep(StoredData([UInt8](repeating: 1, count: 500_000))) == 500_000)
            try FileManager.default.removeItem(atPath: directory + "/store")
            let error = try await failure { try await keep(StoredData([UInt8](repeating: 2, count: 500_000))) }
            for text in [directory, "/store", ".swift", "0x"] { #expect(!"\(error)".contains(text), "\(error)") }
            for node in [provider, caller] { await node.close() }
            await hub.stop()
        }
    }
}

extension Hub {
    /// A node that shows a credential, and logs.
    fileprivate func connect(_ credential: any Credential, _ logger: LogHandler) async throws -> Node {
        try await connect {
            $0.credentials = [credential]
            $0.logger = logger
        }
    }
}
