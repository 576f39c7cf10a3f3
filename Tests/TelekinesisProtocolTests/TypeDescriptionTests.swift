import MessagePack
import Testing

@testable import TelekinesisProtocol

@Suite struct TypeDescriptionTests {
    private static let number = TypeDescription.integer(bits: 64, signed: true)

    private static let all: [TypeDescription] = [
        .void, .bool, number, .integer(bits: 8, signed: false), .float, .double, .string, .bytes, .date, .url, .uuid,
        .optional(.optional(.bool)),
        .array(.string), .dictionary(key: .string, value: number), .pairs(key: .double, value: .bool), .tuple([.double, .double]),
        .tuple([]),
        .structure([FieldDescription(name: "a", type: .bool), FieldDescription(name: "b", type: .array(.date), isOptional: true)]),
        .enumeration([FieldDescription(name: "a", type: .structure([]))]),
        .rawEnumeration(.string, [RawCase(name: "a", value: .string("b")), RawCase(name: "c", value: .integer(-3))]), .named("Shop.Item"),
        .service("Shop.Counter"), .function(parameters: [number, .string], result: .void), .stream(number), .state(.string),
        .stored(content: .bytes, reference: .named("R")), .opaque("Shop.Odd"),
    ]

    @Test(arguments: all)
    func descriptionsComeBackAsTheyWere(_ description: TypeDescription) throws {
        #expect(try MessagePackDecoder().decode(TypeDescription.self, from: MessagePackEncoder().encode(description)) == description)
    }

    @Test func whatADescriptionConsistsOfIsFound() {
        func isWithin(_ part: TypeDescription, _ whole: TypeDescription) -> Bool {
            part == whole || whole.parts.contains { isWithin(part, $0) }
        }
        let part = TypeDescription.named("Shop.Item")
        let field = [FieldDescription(name: "a", type: part)]
        let wholes: [TypeDescription] = [
            .optional(part), .array(part), .dictionary(key: .string, value: part), .dictionary(key: part, value: .string),
            .pairs(key: part, value: .bool), .pairs(key: .bool, value: part), .tuple([.bool, part]), .structure(field), .enumeration(field),
            .function(parameters: [part], result: .void), .function(parameters: [], result: part), .stream(part), .state(part),
            .stored(content: part, reference: .url), .stored(content: .bytes, reference: part), .array(.optional(part)),
        ]
        for whole in wholes { #expect(isWithin(part, whole), "\(whole)") }
    }

    @Test func whatALaterProviderSaysIsOpaque() throws {
        let later = ["decimal": ["digits": 3]]
        #expect(try MessagePackDecoder().decode(TypeDescription.self, from: MessagePackEncoder().encode(later)) == .opaque("decimal"))
        #expect(try MessagePackDecoder().decode(TypeDescription.self, from: MessagePackEncoder().encode("decimal")) == .opaque("decimal"))
    }

    @Test func providersThatDoNotTellAreRead() throws {
        struct Earlier: Codable {
            var kind = "object"
            var type = "Shop.Counter"
            var methods = [Method()]

            struct Method: Codable {
                var name = "reset()"
                var signature = "reset()"
                var labels: [String] = []
                var parameterTypes: [String] = []
                var resultType = "Void"
                var `throws` = true
            }
        }
        let description = try MessagePackDecoder().decode(ServiceDescription.self, from: MessagePackEncoder().encode(Earlier()))
        #expect(description.types == nil)
        #expect(description.methods.map(\.parameters) == [nil])
        // The other way round: what is not told is not written either.
        #expect(try MessagePackEncoder().encode(description) == MessagePackEncoder().encode(Earlier()))
    }
}
