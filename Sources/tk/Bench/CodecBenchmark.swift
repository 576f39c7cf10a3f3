internal import CAllocations
internal import FoundationEssentials
internal import Glibc
internal import MessagePack

/// MessagePack against Foundation's JSON coders: the same values, in turns, in one thread.
enum CodecBenchmark {
    /// One value, encoded or decoded.
    struct Result {
        let name: String
        /// Nanoseconds and allocations per value.
        let messagePack, json: (nanoseconds: Double, allocations: Double)
        /// How many times faster than JSON.
        var ratio: Double { json.nanoseconds / messagePack.nanoseconds }
    }

    /// Encodes and decodes each value of the corpus, prints a line for each and for their geometric mean, and returns the results.
    static func run() throws -> [Result] {
        let names = Dictionary(uniqueKeysWithValues: (0..<100).map { ("key-\($0)", $0) })
        let results = try [
            measure("1,000 integers", (0..<1000).map { $0 * $0 * 37 - 5000 }),
            measure("small struct", Item()),
            measure("nested struct", Order()),
            measure("100 strings", (0..<100).map { "This is string number \($0)." }),
            measure("dictionary", names),
            measure("1 MiB bytes", Data((0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) })),
        ].flatMap { $0 }
        let rows = results.map { result in
            [
                result.name, "\(figures(result.messagePack)),", "JSON \(figures(result.json)):",
                "\(FigureText.decimal(result.ratio, places: 2)) times faster",
            ]
        }
        let mean = exp(results.map { log($0.ratio) }.reduce(0, +) / Double(results.count))
        try Terminal.write(TextTable.lines(rows))
        try Terminal.line("geometric mean: \(FigureText.decimal(mean, places: 2)) times faster")
        return results
    }

    private static func figures(_ cost: (nanoseconds: Double, allocations: Double)) -> String {
        "\(FigureText.decimal(cost.nanoseconds, places: 0)) ns, \(FigureText.decimal(cost.allocations, places: 1)) allocations"
    }

    private struct Item: Codable {
        var id = 1234567
        var name = "A rather small thing"
        var price = 19.99
        var available = true
    }

    private struct Order: Codable {
        struct Customer: Codable {
            var name = "Ada Lovelace"
            var email: String? = "ada@example.org"
            var phone: String?
        }
        var number = 42
        var customer = Customer()
        var deliverTo: Customer?
        var items = [Item(), Item(), Item()]
        var note: String?
        var discount: Double? = 0.1
    }

    private static func measure<Value: Codable>(_ name: String, _ value: Value) throws -> [Result] {
        let (encoder, decoder) = (MessagePackEncoder(), MessagePackDecoder())
        let (jsonEncoder, jsonDecoder) = (JSONEncoder(), JSONDecoder())
        let (bytes, text) = (try encoder.encode(value), try jsonEncoder.encode(value))
        let encode = try compare({ try encoder.encode(value).count }, { try jsonEncoder.encode(value).count })
        let decode = try compare({ MemoryLayout.size(ofValue: try decoder.decode(Value.self, from: bytes)) }) {
            MemoryLayout.size(ofValue: try jsonDecoder.decode(Value.self, from: text))
        }
        return [
            Result(name: "\(name), encode", messagePack: encode.0, json: encode.1),
            Result(name: "\(name), decode", messagePack: decode.0, json: decode.1),
        ]
    }

    /// The medians of eleven batches of each, in turns; a batch takes about five milliseconds.
    private static func compare(
        _ first: () throws -> Int, _ second: () throws -> Int
    ) throws -> ((nanoseconds: Double, allocations: Double), (nanoseconds: Double, allocations: Double)) {
        let (firstCount, secondCount) = (try batch(of: first), try batch(of: second))
        let rounds = try (0..<11).map { _ in (try time(first, firstCount), try time(second, secondCount)) }
        func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] }
        return (
            (median(rounds.map(\.0)), try allocations(of: first)), (median(rounds.map(\.1)), try allocations(of: second))
        )
    }

    private static func batch(of body: () throws -> Int) throws -> Int {
        _ = try time(body, 10)
        return max(1, Int(5e6 / (try time(body, 10))))
    }

    private static func time(_ body: () throws -> Int, _ count: Int) throws -> Double {
        var sum = 0
        let time = try ContinuousClock().measure { for _ in 0..<count { sum &+= try body() } }
        precondition(sum > 0, "The work must be used, or it might not be done.")
        return (Double(time.components.seconds) * 1e9 + Double(time.components.attoseconds) / 1e9) / Double(count)
    }

    private static func allocations(of body: () throws -> Int) throws -> Double {
        let before = allocations_of_this_thread()
        for _ in 0..<10 { _ = try body() }
        return Double(allocations_of_this_thread() - before) / 10
    }
}
