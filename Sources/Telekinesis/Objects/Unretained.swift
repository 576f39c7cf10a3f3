internal import CSystem

/// A reference that neither keeps its object alive nor slows its reference counting down, as `weak` does for good.
///
/// Only for tables behind a lock from which the object removes itself, under that lock, in its `deinit`: then its memory is valid whenever somebody
/// looks, and all that is to be found out is whether its end has begun.
struct Unretained<Object: AnyObject>: @unchecked Sendable {  // An address; what it leads to is guarded by the table's lock.
    private let address: UnsafeMutableRawPointer

    init(_ object: Object) { address = Unmanaged.passUnretained(object).toOpaque() }

    /// The object, unless its end has begun.
    var object: Object? { tk_try_retain(address).map { Unmanaged<Object>.fromOpaque($0).takeRetainedValue() } }
}
