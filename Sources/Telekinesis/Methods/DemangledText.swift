/// A walk over a demangled name that respects brackets and names in back-ticks.
struct DemangledText {
    private(set) var rest: Substring

    init(_ text: String) { rest = Substring(text) }

    /// Goes over `prefix` if it comes next.
    mutating func skip(_ prefix: String) -> Bool {
        guard rest.hasPrefix(prefix) else { return false }
        rest = rest.dropFirst(prefix.count)
        return true
    }

    /// Goes to what follows the next `character`.
    mutating func skip(past character: Character) {
        rest = rest.drop { $0 != character }.dropFirst()
    }

    /// Takes what stands before the list of parameters: the first bracket that follows a name, and is not around a private type.
    mutating func upToParameters() -> Substring {
        var depth = 0
        var quoted = false
        var previous: Character = "."
        var index = rest.startIndex
        while index < rest.endIndex {
            let character = rest[index]
            switch character {
            case "`": quoted.toggle()
            case _ where quoted: break
            case "(" where depth == 0 && previous != ".":
                defer { rest = rest[index...] }
                return rest[..<index]
            case "<", "(": depth += 1
            case ">" where previous != "-", ")": depth -= 1
            default: break
            }
            previous = character
            index = rest.index(after: index)
        }
        defer { rest = "" }
        return rest
    }

    /// Takes what stands between the bracket that comes next and the one that ends it; `nil` if no bracket comes next.
    mutating func parenthesised() -> Substring? {
        guard rest.first == "(" else { return nil }
        let inside = rest.dropFirst()
        var end: Substring.Index?
        Self.walk(inside) { index, character, depth in
            guard character == ")", depth < 0 else { return true }
            end = index
            return false
        }
        guard let end else { return nil }
        rest = inside[inside.index(after: end)...]
        return inside[..<end]
    }

    /// The parts between separators that stand in no brackets, without spaces in front.
    static func components(_ text: some StringProtocol, separator: Character) -> [String] {
        let text = Substring(text)
        var parts: [String] = []
        var start = text.startIndex
        walk(text) { index, character, depth in
            guard character == separator, depth == 0 else { return true }
            parts.append(String(text[start..<index].drop { $0 == " " }))
            start = text.index(after: index)
            return true
        }
        parts.append(String(text[start...].drop { $0 == " " }))
        return parts
    }

    /// Cuts `label: Type` in two; a parameter without a label is `_`.
    static func labelled(_ parameter: String) -> (label: String, type: String) {
        let (label, type) = split(Substring(parameter), before: ": ")
        guard let type else { return ("_", parameter) }
        return (label, type)
    }

    /// Cuts at the first `mark` that stands in no brackets.
    static func split(_ text: some StringProtocol, before mark: String) -> (String, String?) {
        let text = Substring(text)
        var cut: Substring.Index?
        walk(text) { index, _, depth in
            guard depth == 0, text[index...].hasPrefix(mark) else { return true }
            cut = index
            return false
        }
        guard let cut else { return (String(text), nil) }
        return (String(text[..<cut]), String(text[text.index(cut, offsetBy: mark.count)...]))
    }

    /// `gen` of `gen<A where A: Codable>`.
    static func withoutGenerics(_ name: String) -> String {
        var end: Substring.Index?
        var quoted = false
        for index in name.indices {
            if name[index] == "`" { quoted.toggle() }
            guard name[index] == "<", !quoted else { continue }
            end = index
            break
        }
        return end.map { String(name[..<$0]) } ?? name
    }

    /// Visits every character outside back-ticks with the count of brackets around it; the visitor answers whether to go on.
    private static func walk(_ text: Substring, _ visit: (Substring.Index, Character, Int) -> Bool) {
        var depth = 0
        var quoted = false
        var previous: Character = " "
        for index in text.indices {
            let character = text[index]
            switch character {
            case "`": quoted.toggle()
            case _ where quoted: continue
            case "<", "(", "[": depth += 1
            case ">" where previous != "-", ")", "]": depth -= 1
            default: break
            }
            guard visit(index, character, depth) else { return }
            previous = character
        }
    }
}

/// The names of types as people write them.
enum TypeText {
    /// `[String: Int?]` for `Swift.Dictionary<Swift.String, Swift.Optional<Swift.Int>>`; `Void` for `()`. Names keep their module unless it is `Swift`.
    static func readable(_ type: String) -> String {
        guard type != "()" else { return "Void" }
        guard type.last == ">", let open = type.firstIndex(of: "<") else { return plain(type) }
        let arguments = DemangledText.components(type[type.index(after: open)...].dropLast(), separator: ",").map(readable)
        switch (String(type[..<open]), arguments.count) {
        case ("Swift.Optional", 1): return arguments[0] + "?"
        case ("Swift.Array", 1): return "[\(arguments[0])]"
        case ("Swift.Dictionary", 2): return "[\(arguments[0]): \(arguments[1])]"
        case (let name, _): return "\(plain(name))<\(arguments.joined(separator: ", "))>"
        }
    }

    private static func plain(_ type: String) -> String {
        let name = ThunkName.ownerName(type)
        return name.hasPrefix("Swift.") ? String(name.dropFirst("Swift.".count)) : name
    }
}
