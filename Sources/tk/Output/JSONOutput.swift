internal import MessagePack

/// Results for programs: one JSON value on one line.
enum JSONOutput {
    static let option = CommandSyntax.Option(name: "--json", help: "Print JSON, for programs.")

    /// Prints a value.
    static func line(_ value: some Encodable) throws { try Terminal.line(ValueText.json(MessagePackEncoder().encode(value))) }
}
