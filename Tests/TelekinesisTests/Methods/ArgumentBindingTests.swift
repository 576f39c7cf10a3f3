import Testing

@testable import Telekinesis

struct ArgumentBindingTests {
    @Test func argumentsGoWhereTheirLabelsSay() {
        #expect(GivenArguments.places(of: ["b", "a"], in: ["a", "b"]) == [1, 0])
        #expect(GivenArguments.places(of: [nil, "a"], in: ["a", "b"]) == [1, 0])
        #expect(GivenArguments.places(of: [nil, nil], in: ["a", "_"]) == [0, 1])
        #expect(GivenArguments.places(of: ["_"], in: ["by"]) == [0])
    }

    @Test func argumentsThatDoNotFitHaveNoPlaces() {
        #expect(GivenArguments.places(of: ["from"], in: ["by"]) == nil)
        #expect(GivenArguments.places(of: ["a", "a"], in: ["a", "b"]) == nil)
        #expect(GivenArguments.places(of: [], in: ["a"]) == nil)
        #expect(GivenArguments.places(of: [nil, nil], in: ["a"]) == nil)
    }

    @Test func aWordWithAnEqualsSignMayBeAnArgumentWithoutLabel() {
        #expect(GivenArguments.places(of: ["a"], in: ["_"]) == [0])
        #expect(GivenArguments.places(of: ["x", "by"], in: ["_", "by"]) == [0, 1])
    }
}
