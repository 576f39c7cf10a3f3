/// The words behind a command's name, checked against its syntax.
struct Arguments: Sendable, Equatable {
    private(set) var operands: [String] = []
    private var values: [String: [String]] = [:]

    /// Checks the words.
    ///
    /// `--name value` and `--name=value` mean the same; behind `--` nothing is an option. An option that is given wins over its environment
    /// variable, of which an empty one counts as none.
    init(_ words: [String], syntax: CommandSyntax, environment: [String: String]) throws(UsageError) {
        func refuse(_ message: String) -> UsageError { UsageError(message, command: syntax.name) }
        var rest = words[...]
        var mayBeOption = true
        while let word = rest.popFirst() {
            guard mayBeOption, word.hasPrefix("-"), word.utf8.count > 1, !Self.isNegativeNumber(word) else {
                operands.append(word)
                continue
            }
            if word == "--" {
                mayBeOption = false
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = parts[0] == "-h" ? "--help" : parts[0]
            guard let option = syntax.allOptions.first(where: { $0.name == name }) else { throw refuse("there is no option \(name)") }
            guard option.isRepeated || values[name] == nil else { throw refuse("\(name) is given twice") }
            if let value = option.value {
                guard let text = parts.count == 2 ? parts[1] : rest.popFirst() else {
                    throw refuse("\(name) needs a value: \(name) \(value)")
                }
                values[name, default: []].append(text)
            } else {
                guard parts.count == 1 else { throw refuse("\(name) takes no value") }
                values[name] = []
            }
        }
        for option in syntax.options where values[option.name] == nil {
            guard let variable = option.environment, let value = environment[variable], !value.isEmpty else { continue }
            values[option.name] = [value]
        }
        guard !wantsHelp else { return }
        let required = syntax.operands.filter(\.isRequired)
        guard operands.count >= required.count else { throw refuse("\(required[operands.count].name) is missing") }
        guard operands.count <= syntax.operands.count || syntax.operands.last?.isRepeated == true else {
            throw refuse("“\(operands[syntax.operands.count])” is one word too many")
        }
    }

    var wantsHelp: Bool { has("--help") }

    /// Whether a switch is given.
    func has(_ option: String) -> Bool { values[option] != nil }

    /// The value of an option.
    func value(_ option: String) -> String? { values[option]?.last }

    /// The values of an option that may be given several times.
    func all(_ option: String) -> [String] { values[option] ?? [] }

    /// The operand at a place, if it is given.
    func operand(_ index: Int) -> String? { operands.indices.contains(index) ? operands[index] : nil }

    /// The value of an option as a number.
    func number<Number: LosslessStringConvertible & Comparable>(
        _ option: String, in range: ClosedRange<Number>
    ) throws(UsageError) -> Number? {
        guard let text = value(option) else { return nil }
        guard let number = Number(text), range.contains(number) else {
            throw UsageError("\(option) must be a number from \(range.lowerBound) to \(range.upperBound), not “\(text)”")
        }
        return number
    }

    private static func isNegativeNumber(_ word: String) -> Bool { Double(word) != nil }
}

/// The command line cannot be understood.
struct UsageError: Error, Equatable, CustomStringConvertible {
    var description: String
    /// The command whose help explains more.
    var command: String?

    init(_ description: String, command: String? = nil) {
        self.description = description
        self.command = command
    }
}
