public import Distributed
public import Telekinesis

/// Something that takes pictures.
@Resolvable
public protocol Camera: DistributedActor where ActorSystem == Node {
    /// The frames from now on. Who is too slow for all of them gets the newest.
    distributed func watch() async throws -> RemoteStream<Frame>
}

/// One picture.
public struct Frame: Codable, Sendable {
    /// How many there were before it.
    public var number: Int
    /// 256 × 256 shades of grey.
    public var pixels: [UInt8]

    /// A picture.
    public init(number: Int, pixels: [UInt8]) {
        self.number = number
        self.pixels = pixels
    }
}
