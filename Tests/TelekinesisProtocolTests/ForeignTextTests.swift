import Testing

@testable import TelekinesisProtocol

@Suite struct ForeignTextTests {
    @Test(arguments: [
        ("increment", "“increment”"), ("größer", "“größer”"), ("a\r\nb", "“a\\u{d}\\u{a}b”"), ("\u{1b}[2J", "“\\u{1b}[2J”"),
        ("\u{202e}x\u{9b}", "“\\u{202e}x\\u{9b}”"), ("\u{2028}", "“\\u{2028}”"), ("", "“”"),
    ])
    func whatCannotBeSeenIsEscaped(_ text: String, _ shown: String) { #expect(text.quoted == shown) }

    @Test func longTextsAreCutInNoTime() {
        #expect(String(repeating: "x", count: 64).quoted == "“\(String(repeating: "x", count: 64))”")
        #expect(String(repeating: "x", count: 65).quoted == "“\(String(repeating: "x", count: 64))…”")
        // One character for Swift, a million for whoever has to print it.
        let accents = "a" + String(repeating: "\u{301}", count: 1_000_000)
        #expect(accents.count == 1 && accents.quoted.unicodeScalars.count < 70)
        #expect(String(repeating: "\n", count: 1_000_000).sentence.utf8.count < 5_000)
    }

    @Test func linesStayWhereTheyMayAndOnlyThey() { #expect("a\n\tb\r".printable(keepingLines: true) == "a\n\tb\\u{d}") }

    @Test func namesThatLookLikeOthersAreTellable() { #expect("demо".printable(asASCII: true) == "dem\\u{43e}") }

    @Test func aGoodbyeIsASentenceWhateverItSays() throws {
        let bye = Handshake.bye(TelekinesisError(.forbidden, "\u{1b}[2J" + String(repeating: "go away\n", count: 5_000)))
        let error = try bye.withUnsafeBytes { try Handshake.goodbye(in: Frame(checking: $0), ran: .no) }
        #expect(error.code == .forbidden && error.message.utf8.count < 1_500)
        #expect(error.message.hasPrefix("\\u{1b}[2Jgo away\\u{a}") && error.message.hasSuffix("…"))
    }
}
