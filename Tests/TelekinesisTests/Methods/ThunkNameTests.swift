import Testing

@testable import Telekinesis

@Suite struct ThunkNameTests {
    @Test(arguments: [
        ("Shop.Counter.increment(by: Swift.Int) async throws -> Swift.Int", "Shop.Counter", "increment(by: Int) -> Int"),
        (
            "Shop.Counter.two(_: Swift.Int, named: Swift.Array<Swift.Int>) async throws -> Shop.ID", "Shop.Counter",
            "two(_: Int, named: [Int]) -> Shop.ID"
        ),
        ("Shop.Counter.two(Swift.Int, Swift.Int) async throws -> ()", "Shop.Counter", "two(_: Int, _: Int)"),
        ("(extension in Ext):Shop.Counter.more() async throws -> ()", "Shop.Counter", "more()"),
        ("Shop.(Priv in _BAF16B5BC03E23936E03FBBDB877A9C4).p(Swift.Int) async throws -> Swift.Int", "Shop.Priv", "p(_: Int) -> Int"),
        ("Shop.Counter.take(Shop.(Priv in _BAF16B)) async throws -> ()", "Shop.Counter", "take(_: Shop.Priv)"),
        ("Shop.Counter.gen<A where A: Swift.Decodable, A: Swift.Encodable>(A) async throws -> A", "Shop.Counter", "gen(_: A) -> A"),
        ("Shop.Counter.`weird (name`() async throws -> ()", "Shop.Counter", "weird (name()"),
        ("Shop.Gen.g(A) async throws -> Swift.Dictionary<A, Swift.Optional<A>>", "Shop.Gen", "g(_: A) -> [A: A?]"),
        ("l() async throws -> () in Loc #1 in Shop.local() async -> Any.Type", "Loc", "l()"),
        (
            "(extension in API):API.CounterService< where A: Distributed._DistributedActorStub>.reset() async throws -> ()",
            "API.CounterService",
            "reset()"
        ),
        ("Shop.Outer.Nested.m(Shop.Box<Swift.Array<Shop.Item>>) async throws -> ()", "Shop.Outer.Nested", "m(_: Shop.Box<[Shop.Item]>)"),
    ])
    func ownerAndSignatureAreTakenFromTheName(text: String, owner: String, signature: String) throws {
        let name = try #require(ThunkName(demangled: "distributed thunk " + text))
        #expect(name.owner == owner)
        #expect(name.signature == signature)
    }

    @Test(arguments: [
        "", "distributed thunk ", "distributed thunk x", "distributed thunk x(", "distributed thunk x(()", "Shop.Counter.plain() -> ()",
        "distributed thunk x() -> ()", "distributed thunk (((", "distributed thunk >>><", "distributed thunk `",
    ])
    func otherTextsAreNoNames(text: String) {
        #expect(ThunkName(demangled: text) == nil)
    }

    @Test(arguments: ["", "TE", "$sTE", "$s3Exp7CounterC9increment2byS2i_tYaKF", "$s999999999999999999TE", "$s3ExpTE", "hello worldTE"])
    func otherMangledNamesAreNoNames(mangled: String) {
        var mangled = mangled
        #expect(mangled.withUTF8 { ThunkName(mangled: $0) } == nil)
    }
}
