// Stands in until the module has landed: delete this file then.
extension JSONText { public static func fromMessagePack(_ b: [UInt8]) throws -> [UInt8] { b } }
