import Testing

@testable import Telekinesis

/// W3C Trace Context, §3.2 and its examples.
@Suite struct TraceContextTests {
    @Test func theExampleOfTheStandardIsReadAndWritten() throws {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let trace = try #require(TraceContext(traceparent: text))
        #expect(trace.description == text)
        #expect(trace.child.traceID == trace.traceID && trace.child.spanID != trace.spanID)
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01", "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ])
    func whatIsNotWellFormedIsNone(_ text: String) { #expect(TraceContext(traceparent: text) == nil) }

    @Test func ofLaterVersionsTheKnownPartIsRead() {
        #expect(TraceContext(traceparent: "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more") != nil)
    }
}
