import Testing

@testable import MessagePack

@Suite struct TextFormTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0, 0), ("2000-02-29T12:30:45Z", 951_827_445, 0), ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999),
            ("2026-01-31T12:00:00.5Z", 1_769_860_800, 500_000_000), ("0000-01-01T00:00:00Z", -62_167_219_200, 0),
            ("9999-12-31T23:59:59Z", 253_402_300_799, 0), ("1900-03-01T00:00:00Z", -2_203_891_200, 0),
            ("2400-02-29T00:00:00Z", 13_574_563_200, 0),
        ] as [(String, Int64, UInt32)])
    func timesAreWrittenAndRead(text: String, seconds: Int64, nanoseconds: UInt32) throws {
        let timestamp = try #require(MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds))
        #expect(timestamp.rfc3339 == text)
        #expect(MessagePackTimestamp(rfc3339: text) == timestamp)
    }

    @Test(
        arguments: [
            ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31t19:30:00-04:30", 0), ("1970-01-01 00:00:00z", 0),
            ("1990-12-31T23:59:60Z", 662_688_000),
        ] as [(String, Int64)])
    func timesOfOtherZonesAndFormsAreRead(text: String, seconds: Int64) {
        #expect(MessagePackTimestamp(rfc3339: text) == MessagePackTimestamp(seconds: seconds))
    }

    @Test(arguments: [
        "", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00+1:00", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00ZZ", "19700101T000000Z",
        "+970-01-01T00:00:00Z",
    ])
    func whatIsNoTimeIsRefused(text: String) {
        #expect(MessagePackTimestamp(rfc3339: text) == nil)
    }

    @Test func timesOutsideOfFourDigitYearsHaveNoText() {
        #expect(MessagePackTimestamp(seconds: 253_402_300_800)?.rfc3339 == nil)
        #expect(MessagePackTimestamp(seconds: -62_167_219_201)?.rfc3339 == nil)
        #expect(MessagePackTimestamp(seconds: .max)?.rfc3339 == nil && MessagePackTimestamp(seconds: .min)?.rfc3339 == nil)
    }

    /// The examples of RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func bytesAreWrittenAndReadInBase64(plain: String, text: String) {
        var encoded = [UInt8]()
        Base64.encode(Array(plain.utf8)[...], into: &encoded)
        #expect(encoded == Array(text.utf8))
        #expect(Base64.decode(encoded[...]) == Array(plain.utf8))
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Zg==Zg==", "Zm9v\n", "Zm-_", "=Zg=", "Zg=A"])
    func whatIsNotBase64IsRefused(text: String) {
        #expect(Base64.decode(Array(text.utf8)[...]) == nil)
    }
}
