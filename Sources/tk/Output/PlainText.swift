extension String {
    /// The text with everything escaped that could act on a terminal, hide, or feign another line.
    var escapedForTerminal: String { escapedForTerminal(keepingLines: false) }

    /// The same; line breaks and tabs stay if they may.
    func escapedForTerminal(keepingLines: Bool) -> String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control where keepingLines && (scalar == "\n" || scalar == "\t"): result.unicodeScalars.append(scalar)
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
