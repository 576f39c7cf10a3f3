import MessagePack
import Telekinesis
import Testing

@testable import tk

struct OutputTests {
    @Test(arguments: [
        ("plain", "plain"), ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"), ("a\nb\tc", "a\\u{a}b\\u{9}c"), ("\u{202e}", "\\u{202e}"),
        ("\u{9b}2J", "\\u{9b}2J"), ("größer", "größer"),
    ])
    func nothingFromOutsideActsOnATerminal(text: String, shown: String) {
        #expect(text.escapedForTerminal == shown)
    }

    @Test func textKeepsItsLinesWhereItMay() {
        #expect("a\nb\u{1b}\tc\r".escapedForTerminal(keepingLines: true) == "a\nb\\u{1b}\tc\\u{d}")
    }

    @Test func columnsAreAlignedWithoutSpacesAtTheEnds() {
        #expect(TextTable.lines([["a", "bb", "c"], ["aaa", "b", "cc"]]) == "a    bb  c\naaa  b   cc\n")
        #expect(TextTable.lines([]) == "")
    }

    @Test func whatProvidersHaveToDoIsSaidInAFewWords() {
        func load(_ calls: Int, of places: Int?, _ waiting: Int = 0, _ reservations: Int = 0, _ balancing: Balancing = .leastOutstanding)
            -> String
        {
            ServiceLoad(calls: calls, places: places, waiting: waiting, reservations: reservations, balancing: balancing).text
        }
        #expect(load(0, of: nil) == "")
        #expect(load(1, of: nil) == "1 call")
        #expect(load(5, of: 12, 2, 1) == "5 of 12 calls, 2 waiting, 1 reserved")
        #expect(load(0, of: 1, 0, 0, .roundRobin) == "0 of 1 call, in turn")
        let name = ListedName(name: "gpu", kind: .object, sharing: .shared, providers: 2)
        let description = ServiceDescription(kind: .object, type: "Gpu", methods: [])
        #expect(DescribeCommand.text(description, name, name: "gpu") == ["gpu: an object, Gpu, shared, 2 providers"])
    }

    @Test func typesAreShownBelowTheMethods() {
        let (number, colour) = (TypeDescription.integer(bits: 64, signed: true), TypeDescription.named("Shop.Colour"))
        let description = ServiceDescription(
            kind: .object, type: "Shop.Store",
            methods: [
                MethodDescription(
                    name: "add(_:)", signature: "add(_: Shop.Item) -> Int", labels: ["_"], parameterTypes: ["Shop.Item"], resultType: "Int",
                    throws: true)
            ],
            types: [
                TypeDefinition(
                    name: "Shop.Colour", type: .rawEnumeration(.string, [RawCase(name: "red", value: .string("r\u{1b}\nd"))])),
                TypeDefinition(name: "Shop.Email", type: .string), TypeDefinition(name: "Shop.Image", type: .opaque("Shop.Image")),
                TypeDefinition(
                    name: "Shop.Item",
                    type: .structure([
                        FieldDescription(name: "colours", type: .array(colour)),
                        FieldDescription(name: "changed", type: .function(parameters: [number], result: .void), isOptional: true),
                    ]), isPartial: true),
                TypeDefinition(
                    name: "Shop.Shape",
                    type: .enumeration([
                        FieldDescription(name: "circle", type: .structure([FieldDescription(name: "radius", type: .double)])),
                        FieldDescription(name: "some", type: .structure([FieldDescription(name: "_0", type: number, isOptional: true)])),
                        FieldDescription(name: "none", type: .structure([])),
                    ])),
            ])
        #expect(
            DescribeCommand.text(description, name: "shop").map(\.escapedForTerminal) == [
                "shop: an object, Shop.Store",
                "  add(_: Shop.Item) -> Int",
                "", "  enum Shop.Colour: String", #"    red = "r\u{1b}\u{a}d""#,
                "", "  Shop.Email = String",
                "", "  Shop.Image, whose form is not known",
                "", "  struct Shop.Item  (there may be more to it)", "    colours: [Shop.Colour]", "    changed: ((Int) -> Void)?",
                "", "  enum Shop.Shape", "    circle(radius: Double)", "    some(Int?)", "    none",
            ])
    }

    @Test func aMethodThatCannotBeCalledSaysWhy() {
        let generic = MethodDescription(
            name: "echo(_:)", signature: "echo(_: A) -> A", labels: ["_"], parameterTypes: ["A"], resultType: "A", throws: true,
            refusal: "it is generic")
        let description = ServiceDescription(kind: .object, type: "Shop.Store", methods: [generic])
        #expect(
            DescribeCommand.text(description, name: "shop") == [
                "shop: an object, Shop.Store", "  echo(_: A) -> A  (cannot be called from elsewhere: it is generic)",
            ])
    }

    @Test func figuresAreRoundedAndGrouped() {
        #expect(FigureText.decimal(3.14159, places: 2) == "3.14")
        #expect(FigureText.decimal(0.04, places: 1) == "0.0")
        #expect(FigureText.decimal(-0.06, places: 1) == "-0.1")
        #expect(FigureText.decimal(12.5, places: 0) == "13")
        #expect([0, 999, 1_000, -1_234_567].map(FigureText.grouped) == ["0", "999", "1,000", "-1,234,567"])
    }

    @Test func scalarsAreShownPlainlyAndStructuresAsJSON() throws {
        func shown(_ value: some Encodable) throws -> String? { try ValueText.readable(MessagePackEncoder().encode(value)) }
        #expect(try shown(223) == "223")
        #expect(try shown(true) == "true")
        #expect(try shown(2.5) == "2.5")
        #expect(try shown("Hello \u{1b}[31m\nAwesome") == "Hello \\u{1b}[31m\nAwesome")
        #expect(try shown([UInt8]("abc".utf8)) == "YWJj")
        #expect(try shown(Int?.none) == nil)
        #expect(try shown(["a": [1, 2]]) == #"{"a":[1,2]}"#)
        #expect(try shown(["\u{1b}\u{202e}"]) == #"["\u001b\u202e"]"#)
        #expect(try shown(["\u{e0001}"]) == #"["\udb40\udc01"]"#)
    }

    @Test func jsonIsStrict() throws {
        func json(_ value: some Encodable) throws -> String { try ValueText.json(MessagePackEncoder().encode(value)) }
        #expect(try json("text") == #""text""#)
        #expect(try json(Int?.none) == "null")
    }
}
