import MessagePack
import TelekinesisProtocol
import Testing

@testable import Telekinesis

struct Mishap: Error, Codable, Equatable { var number: Int }
/// Describes itself at length.
struct Wordy: Error, Codable, CustomStringConvertible {
    var words: String
    var description: String { words }
}
private enum Unseen { struct Inner: Error {} }
struct Wrapped<Value: Codable & Sendable>: Error, Codable { var value: Value }

@Suite struct ThrownErrorTests {
    private func decode(_ name: String, _ value: [UInt8]) -> (any Error)? {
        var wire = WireError(TelekinesisError(.methodFailed, "", ran: .yes))
        wire.mangled = name
        wire.value = value
        return ThrownErrors.decode(wire, decoder: MessagePackDecoder())
    }

    @Test func namesOfNothingDoNotKeepErrorsFromBeingFound() throws {
        for number in 0..<2000 { #expect(decode("4Nope\(number % 10)X\(number)V", [0xc0]) == nil) }
        let (wire, _) = ThrownErrors.encode(Mishap(number: 3))
        #expect(ThrownErrors.decode(wire, decoder: MessagePackDecoder()) as? Mishap == Mishap(number: 3))
    }

    @Test func noAddressOfTheProgramTravelsWithTheNameOfAnError() {
        struct Hidden: Error { struct Deeper: Error {} }
        for error in [Hidden(), Hidden.Deeper(), Unseen.Inner()] as [any Error] {
            let (wire, _) = ThrownErrors.encode(error)
            let name = (wire.error(ran: .yes).cause as? RemoteError)?.typeName ?? ""
            #expect(name.hasPrefix("TelekinesisTests.") && !name.contains("$") && !name.contains("(") && !name.contains(".."), "\(name)")
            #expect(name.hasSuffix("\(type(of: error))"))
        }
    }

    @Test func noTypeIsMadeBecauseAPeerNamesIt() throws {
        let (wire, _) = ThrownErrors.encode(Wrapped(value: 3))
        // Each of endlessly many generic types would stay for ever once it was named.
        #expect(ThrownErrors.decode(wire, decoder: MessagePackDecoder()) == nil)
        #expect(wire.code == TelekinesisError.Code.methodFailed.rawValue)
    }

    @Test(arguments: ["x", "ß", "😀", "👨‍👩‍👧‍👦"]) func aLongErrorFitsIntoAFrame(_ character: String) throws {
        for error: any Error in [
            Wordy(words: String(repeating: character, count: 100_000)),
            TelekinesisError(.invalidUse, "a" + String(repeating: character, count: 100_000)),
            TelekinesisError(.methodFailed, "", cause: RemoteError(typeName: String(repeating: character, count: 100_000), message: "")),
        ] {
            let wire = ThrownErrors.encode(error).wire
            #expect(wire.message.utf8.count <= WireError.maximumMessage && wire.type?.utf8.count ?? 0 <= WireError.maximumType)
            #expect(!wire.message.contains("\u{fffd}"))
            #expect(try MessagePackEncoder().encode(wire).count < FrameHead.maximumBody)
        }
        // What just fits is whole.
        let text = String(repeating: "x", count: WireError.maximumMessage)
        #expect(WireError(TelekinesisError(.invalidUse, text)).message == text)
        #expect(WireError(TelekinesisError(.invalidUse, text + "x")).message.hasSuffix("x…"))
    }
}
