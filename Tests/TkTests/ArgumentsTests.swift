import Testing

@testable import tk

/// The command line of an imaginary command.
struct ArgumentsTests {
    private static let syntax = CommandSyntax(
        name: "feed", summary: "Feed an animal.",
        operands: [.init(name: "ANIMAL", help: "Which one."), .init(name: "FOOD", help: "What.", isRequired: false, isRepeated: true)],
        options: [
            .init(name: "--bowl", value: "NAME", help: "The bowl.", environment: "BOWL"),
            .init(name: "--spoons", value: "N", help: "How much."),
            .init(name: "--guest", value: "NAME", help: "Who else eats.", isRepeated: true),
            .init(name: "--quietly", help: "Without a word."),
        ], examples: ["tk feed cat fish"])

    private func parse(_ words: String..., environment: [String: String] = [:]) throws -> Arguments {
        try Arguments(words, syntax: Self.syntax, environment: environment)
    }

    @Test func operandsAndOptionsMayBeMixed() throws {
        let arguments = try parse("--bowl", "red", "cat", "--quietly", "fish", "--spoons=3")
        #expect(arguments.operands == ["cat", "fish"])
        #expect(arguments.value("--bowl") == "red")
        #expect(arguments.has("--quietly"))
        #expect(try arguments.number("--spoons", in: 1...9) == 3)
    }

    @Test func nothingIsAnOptionBehindTwoDashes() throws {
        #expect(try parse("cat", "--", "--bowl", "--").operands == ["cat", "--bowl", "--"])
    }

    @Test func negativeNumbersAndLabelledValuesAreOperands() throws {
        #expect(try parse("cat", "-5", "by=--bowl", "-", "").operands == ["cat", "-5", "by=--bowl", "-", ""])
    }

    @Test func valuesMayBeEmptyOrHoldEqualsSigns() throws {
        #expect(try parse("cat", "--bowl=a=b").value("--bowl") == "a=b")
        #expect(try parse("cat", "--bowl=").value("--bowl") == "")
    }

    @Test func optionsMayRepeatOnlyWhereTheSyntaxSaysSo() throws {
        #expect(try parse("cat", "--guest", "dog", "--guest=mouse").all("--guest") == ["dog", "mouse"])
        #expect(throws: UsageError("--bowl is given twice", command: "feed")) { try parse("cat", "--bowl", "a", "--bowl", "b") }
    }

    @Test func theEnvironmentStandsInForAnOptionThatIsNotGiven() throws {
        let environment = ["BOWL": "blue"]
        #expect(try parse("cat", environment: environment).value("--bowl") == "blue")
        #expect(try parse("cat", "--bowl", "red", environment: environment).value("--bowl") == "red")
        #expect(try parse("cat", environment: ["BOWL": ""]).value("--bowl") == nil)
    }

    @Test func mistakesAreNamed() {
        func message(_ words: String...) -> String? {
            do {
                _ = try Arguments(words, syntax: Self.syntax, environment: [:])
                return nil
            } catch {
                return error.description
            }
        }
        #expect(message() == "ANIMAL is missing")
        #expect(message("cat", "--fork") == "there is no option --fork")
        #expect(message("cat", "--bowl") == "--bowl needs a value: --bowl NAME")
        #expect(message("cat", "--quietly=yes") == "--quietly takes no value")
    }

    @Test func tooManyWordsAreRefused() {
        #expect(throws: UsageError("“c” is one word too many", command: "describe")) {
            try Arguments(["a/b", "c"], syntax: DescribeCommand.syntax, environment: [:])
        }
    }

    @Test(arguments: ["x", "0", "10", "", "99999999999999999999", "1.5"])
    func numbersOutOfRangeAreRefused(text: String) throws {
        let arguments = try parse("cat", "--spoons=\(text)")
        #expect(throws: UsageError.self) { try arguments.number("--spoons", in: 1...9) }
    }

    @Test func helpIsGivenHoweverIncompleteTheRest() throws {
        #expect(try parse("--help").wantsHelp)
        #expect(try parse("-h").wantsHelp)
    }

    @Test func helpShowsUsageArgumentsOptionsAndAnExample() {
        #expect(
            HelpText.of(Self.syntax) == """
                Feed an animal.

                Usage: tk feed ANIMAL [FOOD…] [OPTION…]

                Arguments:
                  ANIMAL  Which one.
                  FOOD    What.

                Options:
                  --bowl NAME   The bowl. (also BOWL)
                  --spoons N    How much.
                  --guest NAME  Who else eats. (may be given several times)
                  --quietly     Without a word.
                  --help        Show this text.

                Example:
                  tk feed cat fish

                """)
    }
}
