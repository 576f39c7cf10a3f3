internal import Glibc

/// Standard output and standard error. Every line leaves at once, so that whoever reads a pipe sees it.
enum Terminal {
    /// Writes a line that is made of this program's own words and of texts that are already escaped.
    static func line(_ text: String) throws { try write(text + "\n") }

    /// Writes text to standard output.
    static func write(_ text: String) throws {
        guard put(text, STDOUT_FILENO) else {
            throw CommandFailure("standard output cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// Writes a line to standard error. If that fails there is no place left to complain.
    static func error(_ text: String) { _ = put("tk: \(text)\n", STDERR_FILENO) }

    /// Writes to standard error what is no line: a bar, a question.
    static func note(_ text: String) { _ = put(text, STDERR_FILENO) }

    private static func put(_ text: String, _ descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
    }
}

/// A command failed, and this says why and what to do.
struct CommandFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
