import Synchronization
import Testing

@testable import TelekinesisLink

@Suite struct LoggingTests {
    @Test func lineCannotActOnATerminalOrFeignAnother() {
        let line = LogHandler.line(.warning, "bad\nname", ["name": "\u{1b}[2J\r\u{202e}x\u{0}", "from": "1.2.3.4"])
        #expect(line == "telekinesis warning: bad\\u{a}name name=\\u{1b}[2J\\u{d}\\u{202e}x\\u{0} from=1.2.3.4")
    }

    @Test(arguments: ["a b", "", "a=b", "\" name=x", "x\u{a0}name=y"])
    func valueOfSeveralWordsIsOneValue(_ value: String) throws {
        let line = LogHandler.line(.warning, "m", ["reason": value, "name": "z"])
        let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
        try #require(parts.count == 3)
        #expect(parts[0] == "telekinesis warning: m reason=" && parts[2] == " name=z")
        #expect(parts[1] == value.replacing("\"", with: "\\u{22}"))
    }

    @Test func lineHasABound() {
        #expect(LogHandler.line(.error, String(repeating: "x", count: 1_000_000), [:]).utf8.count < 3_000)
    }

    @Test func levelsBelowTheHandlersAreNotEvenPutIntoWords() {
        let said = Mutex<[String]>([])
        let log = LogHandler(level: .warning) { level, message, _ in said.withLock { $0.append("\(level) \(message)") } }
        func words() -> String {
            Issue.record("asked for what nobody hears")
            return ""
        }
        log.debug(words())
        log.info(words())
        log.warning("one")
        log.error("two")
        #expect(said.withLock { $0 } == ["warning one", "error two"])
    }
}
