internal import TelekinesisProtocol

/// The names that proxies of this node use, each with the handle that stands for it.
struct RouteTable: ~Copyable {
    private struct Slot {
        /// Removes itself at its end.
        let route: Unretained<NameRoute>
        let handle: UInt32
    }

    private var slots: [String: Slot] = [:]
    private var nextHandle: UInt32 = 1

    /// The route of a name that is in use.
    func find(_ name: ServiceName) -> NameRoute? { slots[name.description]?.route.object }

    /// Makes a route for a name that is not in use.
    mutating func insert(_ name: ServiceName, session: NodeSession) -> NameRoute {
        let route = NameRoute(name: name, handle: nextHandle, session: session)
        slots[name.description] = Slot(route: Unretained(route), handle: nextHandle)
        nextHandle &+= 1
        if nextHandle == 0 { nextHandle = 1 }
        return route
    }

    /// The last proxy of a route has gone. A new route of the same name may have taken its place.
    mutating func remove(_ name: ServiceName, handle: UInt32) {
        if slots[name.description]?.handle == handle { slots[name.description] = nil }
    }

    /// All routes in use.
    var live: [NameRoute] { slots.values.compactMap(\.route.object) }
}
