// Stands in until the module has landed: delete this file then.
public enum JSONText { public static func toMessagePack(_ b: some Sequence<UInt8>) throws -> [UInt8] { Array(b) } }
