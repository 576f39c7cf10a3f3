/// A point in time, as MessagePack's predefined extension -1 holds it.
public struct MessagePackTimestamp: Hashable, Sendable {
    /// The type of the extension.
    public static let extensionType: Int8 = -1

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    public var seconds: Int64
    /// Nanoseconds after `seconds`: less than a thousand million.
    public private(set) var nanoseconds: UInt32

    /// Creates a point in time; nil if `nanoseconds` make a second or more.
    public init?(seconds: Int64, nanoseconds: UInt32 = 0) {
        guard nanoseconds < 1_000_000_000 else { return nil }
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    init?(extensionPayload payload: ArraySlice<UInt8>) {
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        switch payload.count {
        case 4:
            self.init(seconds: Int64(number(payload)))
        case 8:
            let both = number(payload)
            self.init(seconds: Int64(both & 0x3_ffff_ffff), nanoseconds: UInt32(both >> 34))
        case 12:
            self.init(seconds: Int64(bitPattern: number(payload.dropFirst(4))), nanoseconds: UInt32(number(payload.prefix(4))))
        default:
            return nil
        }
    }
}
