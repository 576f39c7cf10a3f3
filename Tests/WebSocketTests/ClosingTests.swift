import Testing
import WebSocket

@Suite struct ClosingTests {
    let away = WebSocketClose(code: 1001, reason: "away")

    @Test func closeIsAnsweredAndEnds() {
        var closing = WebSocketClosing()
        #expect(closing.received(away) == .sendAndEnd(away))
        #expect(closing.isDone && closing.reason == away)
        #expect(closing.close(.normal) == .none && closing.received(away) == .none && closing.ended() == .none)
    }

    @Test func closeOfOursWaitsForTheAnswer() {
        var closing = WebSocketClosing()
        #expect(closing.close(.normal) == .send(.normal))
        #expect(!closing.isOpen && !closing.isDone)
        #expect(closing.close(away) == .none)
        #expect(closing.received(.unnamed) == .end)
        #expect(closing.reason == .normal)
    }

    @Test func failureIsToldAndNotWaitedFor() {
        var decoder = WebSocketDecoder(role: .server, maximumMessageSize: 0)
        var closing = WebSocketClosing()
        var bytes = masked(.binary, "x")
        bytes.withUnsafeMutableBytes { bytes in
            do throws(WebSocketFailure) {
                try decoder.receive(bytes) { _ in }
            } catch {
                #expect(closing.failed(error) == .sendAndEnd(WebSocketClose(code: 1009, reason: error.reason)))
            }
        }
        #expect(closing.isDone && closing.reason.code == 1009)
    }

    @Test func connectionThatIsLostIsSaidToBeLost() {
        var closing = WebSocketClosing()
        #expect(closing.ended() == .end)
        #expect(closing.reason == .lost)
    }
}
