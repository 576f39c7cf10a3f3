internal import TelekinesisProtocol

/// The names that proxies of this node use, each with the handle that stands for it.
struct RouteTable: ~Copyable {
    private struct Slot {
        /// Removes itself at its end.
        let route: Unretained<NameRoute>
        let handle: UInt32
    }

    private struct Key: Hashable {
        let name: String
        let choice: ProviderChoice
    }

    private var slots: [Key: Slot] = [:]
    private var nextHandle: UInt32 = 1

    /// The route of a name that is in use.
    func find(_ name: ServiceName, _ choice: ProviderChoice) -> NameRoute? {
        slots[Key(name: name.description, choice: choice)]?.route.object
    }

    /// Makes a route for a name that is not in use.
    mutating func insert(_ name: ServiceName, _ choice: ProviderChoice, session: NodeSession) -> NameRoute {
        let handle = takeHandle()
        let route = NameRoute(name: name, choice: choice, handle: handle, session: session)
        slots[Key(name: name.description, choice: choice)] = Slot(route: Unretained(route), handle: handle)
        return route
    }

    /// Makes a route for one proxy alone.
    mutating func reserve(_ name: ServiceName, session: NodeSession, connection: UInt64) -> NameRoute {
        let handle = takeHandle()
        let lease = ReservationLease(name: name, handle: handle, connection: connection, session: session)
        return NameRoute(name: name, choice: .balanced, lease: lease, handle: handle, session: session)
    }

    private mutating func takeHandle() -> UInt32 {
        defer {
            nextHandle &+= 1
            if nextHandle == 0 { nextHandle = 1 }
        }
        return nextHandle
    }

    /// The last proxy of a route has gone. A new route of the same name may have taken its place.
    mutating func remove(_ name: ServiceName, _ choice: ProviderChoice, handle: UInt32) {
        let key = Key(name: name.description, choice: choice)
        if slots[key]?.handle == handle { slots[key] = nil }
    }

    /// All routes in use.
    var live: [NameRoute] { slots.values.compactMap(\.route.object) }
}
