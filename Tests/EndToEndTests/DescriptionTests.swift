import Distributed
import Telekinesis
import TelekinesisHub
import Testing

/// What a service says of the structure of its types, to those who do not have them.
@Suite(.timeLimit(.minutes(1))) struct DescriptionTests {
    @Test func methodsFunctionsAndClassesTellTheirTypes() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect(), try await hub.connect())
        try await provider.publish(Shop(on: provider), as: "shop")
        try await provider.publish(class: "Shop") { (stock: [Ware], open: Bool) in Shop(on: provider) }
        try await provider.publish(function: "cheapest") { (wares: [Ware]) in wares.first }

        let shop = try await caller.describe("shop")
        let order = try #require(shop.methods.first { $0.name == "order(_:count:)" })
        #expect(order.parameters?.map(\.description) == ["EndToEndTests.Ware", "Int"])
        #expect(order.result?.description == "stream of EndToEndTests.Payment")
        #expect(shop.methods.first { $0.name == "close()" }?.result?.kind == .void)
        #expect(
            shop.types?.map(\.description) == [
                "EndToEndTests.Payment: one of cash(_0: Int) | card(number: String, name?: String)",
                "EndToEndTests.Ware: {name: String, price: Double, tags: [String: EndToEndTests.Ware]}",
            ])
        let maker = try await caller.describe("Shop")
        #expect(maker.initializer?.parameters?.map(\.description) == ["[EndToEndTests.Ware]", "Bool"])
        #expect(maker.types == shop.types)
        let function = try await caller.describe("cheapest")
        #expect(function.methods[0].parameters?.map(\.description) == ["[EndToEndTests.Ware]"])
        #expect(function.methods[0].result?.description == "EndToEndTests.Ware?" && function.types?.count == 1)
        await hub.stop()
    }

    @Test func whoDoesNotWantThemProbedKeepsThemToItself() async throws {
        let hub = try await startHub()
        let (provider, caller) = (try await hub.connect { $0.describesTypes = false }, try await hub.connect())
        try await provider.publish(function: "cheapest") { (wares: [Ware]) in wares.first }
        let function = try await caller.describe("cheapest")
        #expect(function.methods[0].signature == "(Array<Ware>) -> Optional<Ware>")
        #expect(function.methods[0].parameters == nil && function.types == nil)
        await hub.stop()
    }
}

struct Ware: Codable, Sendable {
    var name: String
    var price: Double
    var tags: [String: Ware]
}

enum Payment: Codable, Sendable {
    case cash(Int)
    case card(number: String, name: String?)
}

private distributed actor Shop {
    init(on node: Node) { actorSystem = node }
    distributed func order(_ ware: Ware, count: Int) -> RemoteStream<Payment> { RemoteStream([.cash(1)]) }
    distributed func close() {}
}
