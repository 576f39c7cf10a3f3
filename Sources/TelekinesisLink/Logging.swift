internal import Glibc
internal import TelekinesisProtocol

/// Where hub and node put what no error can carry: a level, a message for people, and fields.
///
/// What is logged never has keys, tickets or secrets in it. Names and texts of peers may be in the fields: a handler of one's own that writes
/// to a terminal or a file should escape them, as ``standardError`` does.
public struct LogHandler: Sendable {
    /// How much it matters.
    public enum Level: Int, Sendable, Comparable, CaseIterable, CustomStringConvertible {
        /// For those who look for a fault.
        case debug
        /// What an operator wants to know.
        case info
        /// Something should be looked at.
        case warning
        /// Something does not work.
        case error

        /// Lower levels matter less.
        public static func < (one: Level, other: Level) -> Bool { one.rawValue < other.rawValue }

        /// The level in lower case.
        public var description: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }
    }

    /// Nothing below this level is given to the handler.
    public var level: Level
    /// Takes a message. Called on any thread; must not block.
    public var handler: @Sendable (Level, String, KeyValuePairs<String, String>) -> Void

    /// A handler of one's own.
    public init(level: Level = .info, _ handler: @escaping @Sendable (Level, String, KeyValuePairs<String, String>) -> Void) {
        self.level = level
        self.handler = handler
    }

    /// One line a message on standard error, control characters escaped.
    public static let standardError = LogHandler(level: .warning) { level, message, fields in
        var line = line(level, message, fields) + "\n"
        line.withUTF8 { bytes in
            // A log that cannot be written has no place to complain.
            _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }

    /// Nobody listens.
    public static let silent = LogHandler(level: .error) { _, _, _ in }

    /// Passes a message on if its level is high enough.
    public func log(_ level: Level, _ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:])
    {
        if level >= self.level { handler(level, message(), fields()) }
    }

    /// For those who look for a fault.
    public func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        log(.debug, message(), fields())
    }

    /// What an operator wants to know.
    public func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        log(.info, message(), fields())
    }

    /// Something should be looked at.
    public func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        log(.warning, message(), fields())
    }

    /// Something does not work.
    public func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        log(.error, message(), fields())
    }

    /// A message as one line in which nothing can act on a terminal, or feign a second line or a further field.
    static func line(_ level: Level, _ message: String, _ fields: KeyValuePairs<String, String>) -> String {
        var line = "telekinesis \(level): \(message.printable(atMost: longest))"
        for (key, value) in fields { line += " \(key.printable(atMost: longest))=\(quoted(value.printable(atMost: longest)))" }
        return line
    }

    /// How many scalars are shown of a message, and of each field.
    private static let longest = 2_000

    /// A value of several words, or of none, in quotation marks.
    private static func quoted(_ text: String) -> String {
        let isOneWord = text.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0 != "=" && $0 != "\"" }
        return isOneWord && !text.isEmpty ? text : "\"\(text.replacing("\"", with: "\\u{22}"))\""
    }
}
