import TelekinesisProtocol
import Testing

@testable import Telekinesis

/// What a watcher is told, out of how things stand.
struct WatchedNamesTests {
    private func served(_ name: String, _ number: UInt64) -> WatchedName {
        WatchedName(name: name, service: number, kind: .object, sharing: .exclusive, providers: 1)
    }

    private func ended(_ name: String, _ end: ServiceEnd) -> WatchedName { WatchedName(name: name, end: end) }

    private func told(_ events: [WatchEvent]) -> [String] { events.map(\.description) }

    @Test func eachChangeHasItsEvent() {
        var names = WatchedNames()
        #expect(told(names.changed([served("a", 1), served("b", 2)])) == ["published a", "published b"])
        #expect(told(names.changed([served("a", 1)])) == [])
        #expect(told(names.changed([ended("a", .gone), ended("b", .withdrawn)])) == ["gone a", "withdrawn b"])
        #expect(told(names.changed([ended("a", .gone), ended("b", .withdrawn)])) == [])
        #expect(told(names.changed([served("a", 3), served("b", 4)])) == ["back a", "published b"])
        #expect(told(names.changed([served("a", 5)])) == ["replaced a"])
        #expect(names.changed([served("c", 6)]).first?.service?.kind == .object)
    }

    @Test func whatWasNeverToldNeedNotEnd() {
        var names = WatchedNames()
        #expect(told(names.changed([ended("a", .gone), ended("b", .withdrawn)])) == [])
        #expect(names.count == 0)
    }

    @Test func anObjectIsTakenForGranted() {
        var there = WatchedNames(assuming: "a")
        there.beginList()
        #expect(told(there.listed([served("a", 1)]) + there.endList()) == [])
        #expect(told(there.changed([served("a", 2)])) == ["replaced a"])
        var absent = WatchedNames(assuming: "a")
        absent.beginList()
        #expect(told(absent.listed([]) + absent.endList()) == ["gone a"])
        #expect(told(absent.changed([served("a", 2)])) == ["back a"])
    }

    @Test func aListTellsTheDifferencesInPages() {
        var names = WatchedNames()
        names.beginList()
        #expect(told(names.listed([served("a", 1), served("b", 2)]) + names.listed([served("c", 3), served("d", 4)])).count == 4)
        #expect(names.endList().isEmpty)
        // The connection was lost meanwhile.
        names.beginList()
        #expect(told(names.listed([served("b", 2), served("c", 9)])) == ["replaced c"])
        #expect(told(names.listed([served("e", 5)])) == ["published e"])
        #expect(told(names.endList()) == ["gone a", "gone d"])
        names.beginList()
        #expect(told(names.listed([served("a", 10), served("b", 2), served("c", 9), served("e", 5)]) + names.endList()) == ["back a"])
    }

    @Test func aListThatBreaksOffTellsNothingTwice() {
        var names = WatchedNames()
        _ = names.changed([served("a", 1), served("b", 2)])
        names.beginList()
        #expect(names.listed([served("a", 1)]).isEmpty)
        names.beginList()
        #expect(names.listed([served("a", 1), served("b", 2)]).isEmpty && names.endList().isEmpty)
    }

    @Test func namesThatHaveGoneForGoodAreForgotten() {
        var names = WatchedNames(maximumDeparted: 100)
        for number in 0..<10_000 {
            _ = names.changed([served("\(number)", UInt64(number + 1))])
            _ = names.changed([ended("\(number)", .gone)])
        }
        #expect(names.count == 100)
        #expect(told(names.changed([served("9999", 20_000), served("0", 20_001)])) == ["back 9999", "published 0"])
    }
}
