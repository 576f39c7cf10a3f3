package import Distributed
internal import Glibc
internal import Synchronization
package import TelekinesisProtocol

/// How a call made here names its method on the wire.
package final class CallTarget: Sendable {
    /// The hash of the wire name.
    package let selector: Selector
    /// The hash of the signature that the caller was compiled against.
    package let signatureHash: UInt32
    /// The wire name: `increment(by:)`, with types where the type or protocol that is called has overloads: `increment(by:)(Int)`.
    package let wireName: String
    /// As one would write it: `increment(by: Int) -> Int`.
    package let signature: String
    /// The type or protocol that it was called through, without its module.
    package let typeName: String
    /// The mangled name that the compiler gave.
    fileprivate let identifier: [UInt8]

    fileprivate init(_ thunk: ThunkName, identifier: [UInt8]) {
        wireName = ThunkIndex.shared.isOverloaded(thunk) ? thunk.typedWireName : thunk.wireName
        selector = Selector(wireName: wireName)
        signature = thunk.signature
        signatureHash = thunk.signatureHash
        // The stub of a protocol has the protocol's name behind a dollar sign.
        let owner = DemangledText.components(thunk.owner, separator: ".").last ?? thunk.owner
        typeName = owner.hasPrefix("$") ? String(owner.dropFirst()) : String(owner)
        self.identifier = identifier
    }

    fileprivate func isNamed(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard identifier.count == bytes.count, let start = bytes.baseAddress else { return false }
        return identifier.withUnsafeBytes { $0.baseAddress.map { memcmp($0, start, bytes.count) == 0 } ?? false }
    }
}

/// The wire names of the methods that this process calls.
///
/// A target's identifier is a literal in the binary, the same address for every call from one place. So a call finds its wire name by that address, without
/// a lock, and a comparison of the bytes makes sure that the memory is not another's by now. Nothing is ever removed: the names are the program's own, and a bound of
/// places holds what a program that makes up names could add.
package enum CallTargets {
    /// Places in the table, and how many are looked at for one address.
    private static let places = 4096
    private static let reach = 8
    private static let table = Table(places)

    /// The wire name of a target; `nil` when it is not the name of a distributed method.
    package static func callTarget(for target: RemoteCallTarget) -> CallTarget? {
        var identifier = target.identifier
        return identifier.withUTF8 { find($0) }
    }

    static func find(_ bytes: UnsafeBufferPointer<UInt8>) -> CallTarget? {
        let address = UInt(bitPattern: bytes.baseAddress)
        // Literals are close together: the multiplication spreads them (Knuth, The Art of Computer Programming 6.4, multiplicative hashing).
        let first = Int(truncatingIfNeeded: (address &* 0x9e37_79b9_7f4a_7c15) >> 40)
        for step in 0..<reach {
            let place = (first &+ step) & (places - 1)
            guard let known = table[place] else {
                guard let made = make(bytes) else { return nil }
                return table.fill(place, with: made)
            }
            if known.isNamed(bytes) { return known }
        }
        return make(bytes)
    }

    private static func make(_ bytes: UnsafeBufferPointer<UInt8>) -> CallTarget? {
        ThunkName(mangled: bytes).map { CallTarget($0, identifier: Array(bytes)) }
    }

    /// Places that are filled once and read without a lock; what is in them is kept for ever.
    private struct Table: @unchecked Sendable {  // Every access is atomic.
        private let places: UnsafeMutablePointer<Atomic<UInt>>

        init(_ count: Int) {
            places = .allocate(capacity: count)
            for place in 0..<count { (places + place).initialize(to: Atomic(0)) }
        }

        subscript(place: Int) -> CallTarget? {
            let address = places[place].load(ordering: .acquiring)
            guard let pointer = UnsafeRawPointer(bitPattern: address) else { return nil }
            return Unmanaged<CallTarget>.fromOpaque(pointer).takeUnretainedValue()
        }

        /// Fills a place unless another thread was faster.
        func fill(_ place: Int, with target: CallTarget) -> CallTarget {
            let reference = Unmanaged.passRetained(target)
            let address = UInt(bitPattern: reference.toOpaque())
            if !places[place].compareExchange(expected: 0, desired: address, ordering: .acquiringAndReleasing).exchanged {
                reference.release()
            }
            return target
        }
    }
}
