internal import Telekinesis

/// `tk call`
enum CallCommand: Command {
    static let syntax = CommandSyntax(
        name: "call", summary: "Call a method and print its result.",
        details: """
            The provider, which knows the types, makes values of the arguments. Numbers, Booleans and text are written as they are, dates by
            RFC 3339, bytes in base64, arrays and structures in JSON. A published function is called without METHOD. What the method tells meanwhile
            is shown on standard error; what it asks is asked there, and answered at the terminal that standard input must be then.
            Results that are objects, functions, streams or states are for programs: such a method is not called.
            """,
        operands: [
            .init(name: "NAME", help: "A published object or function."),
            .init(name: "METHOD", help: "A method: `increment`, or with its labels `increment(by:)`.", isRequired: false),
            .init(name: "ARGUMENT", help: "label=value, or a value without its label.", isRequired: false, isRepeated: true),
        ],
        options: HubConnection.options + [
            HubConnection.timeout("the call", defaultSeconds: 30), JSONOutput.option,
        ],
        examples: ["tk call demo/counter increment by=5", "tk call demo/hello Awesome"])

    static func run(_ arguments: Arguments) async throws {
        let words = arguments.operands
        let deadline = try HubConnection.deadline(arguments, defaultSeconds: 30)
        let asJSON = arguments.has(JSONOutput.option.name)
        try await HubConnection.with(arguments) { node in
            let display = CallDisplay()
            defer { display.clear() }
            let result = try await withDeadline(deadline) {
                try await withAnswers {
                    try await withProgress {
                        try await node.call(words[0], words: Array(words.dropFirst()))
                    } observing: {
                        display.show($0)
                    }
                } to: {
                    try await display.ask($0)
                }
            }
            display.clear()
            let text = asJSON ? try ValueText.json(result) : try ValueText.readable(result)
            if let text { try Terminal.line(text) }
        }
    }
}
