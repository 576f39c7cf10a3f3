import MessagePack
import TelekinesisProtocol
import Testing

@testable import Telekinesis

struct Mishap: Error, Codable, Equatable { var number: Int }
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
}
