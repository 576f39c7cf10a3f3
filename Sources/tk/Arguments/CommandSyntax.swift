/// What may stand on the command line behind the name of a command.
struct CommandSyntax: Sendable {
    /// The word that selects the command.
    var name: String
    /// One line for the list of commands.
    var summary: String
    /// What the command does, in a few lines; the summary stands in front of it.
    var details = ""
    /// The words that are no options, in their order.
    var operands: [Operand] = []
    var options: [Option] = []
    /// Lines that can be typed as they stand.
    var examples: [String] = []
    /// Left out of the list of commands: for processes that `tk` starts itself.
    var isHidden = false

    /// A word that is no option.
    struct Operand: Sendable {
        var name: String
        var help: String
        var isRequired = true
        /// Whether any number of words may stand here; only for the last operand.
        var isRepeated = false
    }

    /// A word that begins with two dashes.
    struct Option: Sendable {
        /// With its dashes: `--hub`.
        var name: String
        /// What follows it, such as `URL`; `nil` for a switch.
        var value: String?
        var help: String
        /// The environment variable that stands in when the option is not given.
        var environment: String?
        var isRepeated = false
    }

    static let help = Option(name: "--help", help: "Show this text.")

    /// All options, `--help` included.
    var allOptions: [Option] { options + [Self.help] }
}
