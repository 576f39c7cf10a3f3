// Stands in until the module has landed: delete this file then.
public import Reactor
internal import TelekinesisProtocol
public struct WebSocketURL: Sendable, CustomStringConvertible {
    public var description: String; public init(_ s: String) throws { description = s }
}
public enum WebSocketDialer {
    public static func dial(_ url: WebSocketURL, on loop: EventLoop, _ make: (any Transport) -> Link) async throws -> Link {
        throw TelekinesisError(.unreachable, "stub")
    }
}
