import TelekinesisLink
import TelekinesisProtocol
import Testing

@testable import TelekinesisHub

@Suite struct ServedNamesTests {
    @Test func pagesAreThoseOfASortedList() throws {
        var served = ServedNames()
        var entries: [String: NameEntry] = [:]
        var generator = SystemRandomNumberGenerator()
        for round in 0..<6_000 {
            let name = "\(["a", "b/c", "b/d", "z"].randomElement(using: &generator) ?? "")/\(Int.random(in: 0..<1_500, using: &generator))"
            if let entry = entries[name], round % 3 == 0 {
                entries[name] = nil
                served.remove(entry)
                // Once more changes nothing, nor does another entry of that name.
                served.remove(entry)
            } else {
                let entry = NameEntry(try ServiceName(name))
                entries[name] = entry
                served.insert(entry)
            }
        }
        let sorted = entries.keys.sorted()
        for prefix in ["", "a", "b/", "b/d/1", "zz", "ä"] {
            let expected = sorted.filter { $0.hasPrefix(prefix) }
            var found: [String] = []
            while true {
                let page = served.page(prefix: prefix, after: found.last, limit: 97)
                #expect(page.allSatisfy { entries[$0.text] === $0 })
                if page.isEmpty { break }
                #expect(page.count <= 97)
                found += page.map(\.text)
            }
            #expect(found == expected)
        }
        #expect(served.page(prefix: "b/", after: "a", limit: 1).map(\.text) == [try #require(sorted.first { $0.hasPrefix("b/") })])
        #expect(served.page(prefix: "a", after: "b", limit: 1).isEmpty)
        for entry in entries.values { served.remove(entry) }
        #expect(served.page(prefix: "", after: nil, limit: 1).isEmpty)
    }

    @Test func aPageLooksAtNoNamesBesideIt() async throws {
        let hub = try await startHub { $0.limits.controlCalls = Rate(perSecond: 1, burst: 1_000_000) }
        let (node, reader) = (try SimulatedNode(hub), try SimulatedNode(hub))
        let clock = ContinuousClock()
        func time(of repetitions: Int) throws -> Duration {
            try (0..<5).map { _ in
                try clock.measure {
                    for _ in 0..<repetitions {
                        _ = try reader.ask(HubService.list, ListRequest(prefix: "m/", limit: 10), for: [ListedName].self)
                    }
                }
            }.min() ?? .zero
        }
        for index in 0..<100 { try node.publish("m/\(index)") }
        let few = try time(of: 20)
        for index in 0..<9_000 { try node.publish("\(index % 2 == 0 ? "a" : "z")/\(index)") }
        // Names that are only asked for are none to look through either.
        for index in 0..<9_000 { _ = try? reader.resolve("m/0/\(index)", route: UInt32(index + 1)) }
        #expect(try time(of: 20) < few * 10)
    }

    @Test func aNameIsListedForAsLongAsItIsServed() async throws {
        let hub = try await startHub()
        let (one, two, reader) = (try SimulatedNode(hub), try SimulatedNode(hub), try SimulatedNode(hub))
        func names() throws -> [String] { try reader.ask(HubService.list, ListRequest(), for: [ListedName].self).map(\.name) }
        try one.publish("a")
        try two.publish("a")
        try two.publish("b", .exclusive)
        try reader.resolve("b", route: 1)
        #expect(try names() == ["a", "b"])
        try one.withdraw("a")
        #expect(try names() == ["a", "b"])
        try one.publish("b", .replace)
        two.close()
        #expect(try names() == ["b"])
        // Somebody still has a route to it.
        one.close()
        #expect(try names().isEmpty)
        let three = try SimulatedNode(hub)
        try three.publish("b")
        #expect(try names() == ["b"])
    }
}
