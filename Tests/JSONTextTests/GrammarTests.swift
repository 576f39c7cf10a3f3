import JSONText
import Testing

@Suite struct GrammarTests {
    @Test(arguments: [
        "0", "-0", "1.5", "-1.5e-10", "1E+30", "true", "false", "null", "\"\"", "[]", "{}", " [ ] ",
        "\t\r\n{ \"a\" : [ 1 , 2 ] } ",
        #""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00""#, "\"\u{7f}\u{2028}é😀\"", #"{"a":1,"a":2,"":{"b":[[[]]]}}"#,
        "123456789012345678901234567890",
        #""\u0000""#, "[1,null,\"x\",{\"y\":-1}]",
    ])
    func jsonIsAccepted(text: String) throws {
        try JSONText.validate(Array(text.utf8))
        _ = try JSONText.toMessagePack(Array(text.utf8))
    }

    @Test(
        arguments: [
            ("", .truncated, 0), (" ", .truncated, 1), ("[", .truncated, 1), ("[1", .truncated, 2), ("[1,", .truncated, 3),
            ("[1,]", .unexpected, 3),
            ("[,1]", .unexpected, 1), ("[1 2]", .unexpected, 3), ("{", .truncated, 1), ("{\"a\"}", .unexpected, 4),
            ("{\"a\":}", .unexpected, 5),
            ("{\"a\":1,}", .unexpected, 7), ("{a:1}", .unexpected, 1), ("{1:1}", .unexpected, 1), ("{\"a\":1", .truncated, 6),
            ("[1}", .unexpected, 2),
            ("1 2", .trailingText, 2), ("[]]", .trailingText, 2), ("tru", .truncated, 3), ("True", .unexpected, 0),
            ("nul!", .unexpected, 3), ("NaN", .unexpected, 0),
            ("Infinity", .unexpected, 0), ("+1", .unexpected, 0), (".5", .unexpected, 0), ("01", .trailingText, 1), ("-", .truncated, 1),
            ("-x", .invalidNumber, 1),
            ("1.", .truncated, 2), ("1.e1", .invalidNumber, 2), ("1e", .truncated, 2), ("[1e+]", .invalidNumber, 4),
            ("0x1", .trailingText, 1),
            ("1e400", .numberOutOfRange, 0), ("[-1e999999999999999999]", .numberOutOfRange, 1), ("\"", .truncated, 1),
            ("\"a", .truncated, 2),
            ("\"\u{1}\"", .invalidString, 1), ("\"\n\"", .invalidString, 1), (#""\x""#, .invalidString, 1),
            (#""\u12g4""#, .invalidString, 1), (#""\u12"#, .invalidString, 1),
            (#""\ud800""#, .invalidString, 1), (#""\udc00""#, .invalidString, 1), (#""\ud800\ud800""#, .invalidString, 1),
            (#""\ud83dx""#, .invalidString, 1),
            (#""\ud83d\n""#, .invalidString, 1), ("'a'", .unexpected, 0), ("[1,/**/2]", .unexpected, 3), ("\u{feff}1", .invalidUTF8, 0),
            ("\u{a0}1", .unexpected, 0),
            ("\u{c}1", .unexpected, 0), ("1\0", .trailingText, 1),
        ] as [(String, JSONTextError.Code, Int)])
    func whatIsNotJSONIsRefusedWhereItFails(text: String, code: JSONTextError.Code, offset: Int) {
        let text = Array(text.utf8)
        let errors = [
            #expect(throws: JSONTextError.self) { try JSONText.validate(text) },
            #expect(throws: JSONTextError.self) { try JSONText.toMessagePack(text) },
        ]
        for error in errors { #expect(error?.code == code && error?.offset == offset) }
    }

    @Test(arguments: [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc3], [0xe2, 0x82]] as [[UInt8]])
    func textThatIsNotUTF8IsRefused(bytes: [UInt8]) {
        let error = #expect(throws: JSONTextError.self) { try JSONText.validate([0x22] + bytes + [0x22]) }
        #expect(error?.code == .invalidUTF8)
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"\":"])
    func nestingEndsAtTheLimit(opening: String) throws {
        let levels = opening.filter { "[{".contains($0) }.count
        let closing = String(opening.reversed().compactMap { $0 == "[" ? "]" : $0 == "{" ? "}" : nil })
        func nested(_ count: Int) -> [UInt8] {
            Array((String(repeating: opening, count: count) + "1" + String(repeating: closing, count: count)).utf8)
        }
        try JSONText.validate(nested(128 / levels))
        for count in [128 / levels + 1, 100_000] {
            let error = #expect(throws: JSONTextError.self) { try JSONText.toMessagePack(nested(count)) }
            #expect(error?.code == .tooDeep)
        }
    }

    @Test func hugeNumbersAreRefusedInTime() {
        for text in [
            String(repeating: "9", count: 1_000_000), "0." + String(repeating: "0", count: 1_000_000) + "1",
            "1e" + String(repeating: "9", count: 1_000_000),
        ] {
            let error = #expect(throws: JSONTextError.self) { try JSONText.validate(Array(text.utf8)) }
            #expect(error?.code == .numberOutOfRange)
        }
    }

    @Test func membersAreFoundWithoutATree() throws {
        let text = Array(#" { "a" : [1, {"b":2}] , "n\u0061me":"x\"}" ,"" :-1.5e3 } "#.utf8)
        let members = try JSONText.members(of: text)
        #expect(members.map(\.name) == ["a", "name", ""])
        #expect(members.map { String(decoding: text[$0.value], as: UTF8.self) } == [#"[1, {"b":2}]"#, #""x\"}""#, "-1.5e3"])
        let elements = try JSONText.elements(of: text, in: members[0].value)
        #expect(elements.map { String(decoding: text[$0], as: UTF8.self) } == ["1", #"{"b":2}"#])
        #expect(try JSONText.members(of: Array("{}".utf8)).isEmpty)
        for text in ["[]", "1", "{\"a\":1}x", "{\"a\":01}", #"{"a":1,"\u0061":2}"#] {
            #expect(throws: JSONTextError.self) { try JSONText.members(of: Array(text.utf8)) }
        }
    }

    @Test func everyTruncationIsAnError() throws {
        let text = Array(#"{"a":[1,-2.5e3,true,null,"é\u00e9\ud83d\ude00"],"b":{"c":{}}}"#.utf8)
        try JSONText.validate(text)
        for count in text.indices { #expect(throws: JSONTextError.self) { try JSONText.toMessagePack(Array(text[..<count])) } }
    }
}
