import TelekinesisProtocol
import Testing

@testable import TelekinesisLink

@Suite struct WebSocketURLTests {
    @Test(
        arguments: [
            ("ws://localhost:3388", "localhost", 3388, "/"), ("WS://hub.example/a/b?c=d", "hub.example", 80, "/a/b?c=d"),
            ("ws://[::1]:9/x", "::1", 9, "/x"), ("ws://[fe80::1%eth0]:9", "fe80::1%eth0", 9, "/"),
            ("ws://127.0.0.1?x", "127.0.0.1", 80, "/?x"),
        ] as [(String, String, UInt16, String)])
    func addressIsRead(text: String, host: String, port: UInt16, target: String) throws {
        let url = try WebSocketURL(text)
        #expect(url.host == host && url.port == port && url.target == target)
    }

    @Test(arguments: [
        "", "localhost:3388", "http://localhost", "ws://", "ws://:80", "ws://h:0", "ws://h:65536", "ws://h:+1", "ws://h:", "ws://[::1",
        "ws://[]:1",
        "ws://[::1]x", "ws://[::1 ]", "ws://h/#part", "ws://user@h", "ws://h/\r\nX: y", "ws://h/ö", "ws://a b",
    ])
    func malformedAddressIsRefusedByName(text: String) {
        let error = #expect(throws: TelekinesisError.self) { try WebSocketURL(text) }
        #expect(error?.code == .invalidUse && error?.message.contains("'\(text)'") == true)
    }

    @Test func encryptionIsNotPretended() {
        #expect(throws: TelekinesisError.self) { try WebSocketURL("wss://localhost") }
    }

    @Test func authorityHasBracketsWhereTheyBelong() throws {
        #expect(try WebSocketURL("ws://[::1]:9").authority == "[::1]:9")
        #expect(try WebSocketURL("ws://[::1]:9/x").description == "ws://[::1]:9/x")
        #expect(try WebSocketURL("ws://localhost:3388/").description == "ws://localhost:3388")
    }
}

@Suite struct ProxySettingsTests {
    func proxy(_ environment: [String: String], _ host: String = "hub.example", _ port: UInt16 = 3388) throws -> ProxySettings.Proxy? {
        try ProxySettings(environment: environment).proxy(for: host, port: port)
    }

    @Test func lowerCaseComesFirstAndTunnelsBeforeTheRest() throws {
        #expect(try proxy(["HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2", "http_proxy": "http://c:3"])?.host == "b")
        #expect(try proxy(["HTTP_PROXY": "a:1", "ALL_PROXY": "http://c"]) == .init(host: "a", port: 1))
        #expect(try proxy(["all_proxy": "http://[::1]/"]) == .init(host: "::1", port: 80))
        #expect(try proxy(["HTTPS_PROXY": ""]) == nil)
        #expect(try proxy(["HTTP_PROXY": "http://a", "REQUEST_METHOD": "GET"]) == nil)
    }

    @Test func userAndPasswordAreDecoded() throws {
        let proxy = try proxy(["HTTPS_PROXY": "http://Aladdin:open%20sesame@p"])
        #expect(proxy == .init(host: "p", port: 80, authorization: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))
    }

    @Test(arguments: ["https://p:1", "socks5://p", "http://", "http://p:x"])
    func proxyThatCannotBeUsedIsNamed(url: String) {
        let error = #expect(throws: ProxySettings.Unusable.self) { try proxy(["HTTPS_PROXY": url]) }
        #expect(error?.reason.contains("HTTPS_PROXY") == true)
    }

    @Test(arguments: [
        ("*", true), ("hub.example", true), ("HUB.example", true), (".example", true), ("*.example", true), ("example", true),
        ("other, hub.example:3388", true), ("hub.example:80", false), ("ub.example", false), ("hub.example.org", false), ("", false),
    ])
    func exceptionsAreReachedDirectly(exceptions: String, isDirect: Bool) throws {
        #expect(try (proxy(["HTTPS_PROXY": "http://p", "NO_PROXY": exceptions]) == nil) == isDirect)
    }

    @Test(arguments: ["localhost", "127.0.0.1", "127.8.0.1", "::1"])
    func thisMachineIsReachedDirectly(host: String) throws {
        #expect(try proxy(["HTTPS_PROXY": "http://p"], host) == nil)
    }
}
