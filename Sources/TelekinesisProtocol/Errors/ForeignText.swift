extension StringProtocol {
    /// The text with everything escaped that could act on a terminal, hide, or feign another line.
    ///
    /// - Parameters:
    ///   - limit: how many scalars of it are shown; an ellipsis stands for the others.
    ///   - keepingLines: line breaks and tabs stay.
    ///   - asASCII: whatever is not ASCII is escaped as well, so that nothing can look like something else.
    package func printable(atMost limit: Int = .max, keepingLines: Bool = false, asASCII: Bool = false) -> String {
        var result = ""
        var rest = unicodeScalars[...]
        var left = limit
        while left > 0, let scalar = rest.popFirst() {
            left -= 1
            switch scalar.properties.generalCategory {
            case .control where keepingLines && (scalar == "\n" || scalar == "\t"): result.unicodeScalars.append(scalar)
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            case _ where asASCII && !scalar.isASCII: result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return rest.isEmpty ? result : result + "…"
    }

    /// A name or another word from outside as errors show it: in quotation marks, printable, and cut where nobody would read on.
    package var quoted: String { "“\(printable(atMost: 64))”" }

    /// What somebody else says, within a sentence of this end's own: printable, and cut where it is no sentence any more.
    package var sentence: String { printable(atMost: 500) }
}
