internal import TelekinesisProtocol

/// Which other nodes hold which objects of this node, and who answers for the memory that this takes. Pure: says what changes, releases nothing.
///
/// Counts are signed. Two messages about one object may come on different ways: somebody who was handed a reference by a third node can give it
/// back before this node has heard of the handing over. A count that is below zero for a moment holds nothing, and one that is zero is gone. Where
/// the other message was lost with a connection, the debt is forgotten after a while.
struct Holdings {
    private struct Pair: Hashable {
        let key: ActorKey
        let holder: NodeID
    }

    private struct Hold {
        var count: Int
        /// Who pays: until the holder has used or given back what a third node handed to it, that is the third node.
        var payer: NodeID
    }

    /// What a change means for the object.
    enum Effect {
        case none
        /// One more node holds it.
        case held
        /// One node fewer holds it.
        case freed
    }

    private var holders: [NodeID: [ActorKey: Hold]] = [:]
    /// How many entries each node pays for; under ``nobody``, those whose givers have gone.
    private var charges: [NodeID: Int] = [:]
    /// Entries that somebody else than their holder pays for, by who that is.
    private var gifts: [NodeID: Set<Pair>] = [:]
    /// How many these are.
    private(set) var unclaimed = 0
    /// Pays when a giver has gone. No node has this id.
    private static let nobody = NodeID.hub
    /// What was given back before it was given: since the last look, and before it.
    private var debts: (recent: Set<Pair>, old: Set<Pair>) = ([], [])

    /// Entries of all holders.
    var count: Int { holders.values.reduce(0) { $0 + $1.count } }

    /// Whether nobody holds or owes anything.
    var isEmpty: Bool { holders.isEmpty && charges.isEmpty && unclaimed == 0 && !hasDebts }

    /// Whether something was given back that was not given, as it seems.
    var hasDebts: Bool { !debts.recent.isEmpty || !debts.old.isEmpty }

    /// How many objects a node pays for.
    func charged(to node: NodeID) -> Int { charges[node] ?? 0 }

    /// Whether a node gave an object back that it has not been given yet.
    func isOwed(_ key: ActorKey, by holder: NodeID) -> Bool { (holders[holder]?[key]?.count ?? 0) < 0 }

    /// Whether a node holds an object.
    func holds(_ key: ActorKey, _ holder: NodeID) -> Bool { (holders[holder]?[key]?.count ?? 0) > 0 }

    /// A node is given a reference.
    ///
    /// - Parameters:
    ///   - giver: who hands it over: this node's own word is charged to the holder.
    ///   - limit: how many objects one node may have charged to it.
    /// - Throws: `overloaded` when the one who would pay has reached the limit.
    mutating func give(
        _ key: ActorKey, to holder: NodeID, by giver: NodeID? = nil, limit: Int
    ) throws(TelekinesisError) -> Effect {
        let payer = giver ?? holder
        guard holders[holder]?[key] != nil || charged(to: payer) < limit else {
            throw TelekinesisError(
                .overloaded, "node \(payer) holds \(limit) objects of this one already, which is as many as it may: release some", ran: .no)
        }
        let effect = add(1, key, holder, payer: payer)
        // What this node gives itself stays, whatever becomes of those who gave it as well.
        if giver == nil { claim(key, by: holder) }
        return effect
    }

    /// A node gives references back.
    ///
    /// - Parameters:
    ///   - limit: how many objects a node may have given back before it was given them.
    ///   - mayComeEarly: whether it may have heard of the giving before this node has; else what it does not hold is not missed.
    mutating func take(_ key: ActorKey, from holder: NodeID, count: Int, mayComeEarly: Bool = true, limit: Int) -> Effect {
        guard count > 0, holders[holder]?[key] != nil || mayComeEarly && charged(to: holder) < limit else { return .none }
        return add(-count, key, holder, payer: holder)
    }

    /// A node uses what it was given: from now on it pays for it itself.
    mutating func claim(_ key: ActorKey, by holder: NodeID) {
        guard var hold = holders[holder]?[key], hold.payer != holder else { return }
        charge(hold.payer, -1, key, holder)
        hold.payer = holder
        charge(holder, 1, key, holder)
        holders[holder]?[key] = hold
    }

    /// A node has gone, and holds nothing any more. What it handed to others who have not used it yet stays theirs, as long as not too much of that is left
    /// of nodes that have gone.
    ///
    /// - Parameter limit: how much that may be.
    /// - Returns: the objects that were held, once for each holder.
    mutating func removeAll(of node: NodeID, limit: Int) -> [ActorKey] {
        var freed: [ActorKey] = []
        for (key, hold) in holders.removeValue(forKey: node) ?? [:] {
            charge(hold.payer, -1, key, node)
            if hold.count < 0 { settle(Pair(key: key, holder: node)) }
            if hold.count > 0 { freed.append(key) }
        }
        for gift in gifts[node] ?? [] {
            guard var hold = holders[gift.holder]?[gift.key] else { continue }
            if charged(to: Self.nobody) < limit {
                charge(node, -1, gift.key, gift.holder)
                hold.payer = Self.nobody
                charge(Self.nobody, 1, gift.key, gift.holder)
                holders[gift.holder]?[gift.key] = hold
            } else {
                remove(gift.key, gift.holder, hold)
                if hold.count > 0 { freed.append(gift.key) }
            }
        }
        return freed
    }

    /// Everybody has gone.
    ///
    /// - Returns: the objects that were held, once for each holder.
    mutating func removeAll() -> [ActorKey] {
        defer { self = Holdings() }
        return holders.values.flatMap { holds in holds.compactMap { $1.count > 0 ? $0 : nil } }
    }

    /// Forgets the debts that were there at the last look already.
    mutating func forgetOldDebts() {
        for debt in debts.old {
            if let hold = holders[debt.holder]?[debt.key], hold.count < 0 { remove(debt.key, debt.holder, hold) }
        }
        debts = (recent: [], old: debts.recent)
    }

    private mutating func remove(_ key: ActorKey, _ holder: NodeID, _ hold: Hold) {
        charge(hold.payer, -1, key, holder)
        holders[holder]?[key] = nil
        if holders[holder]?.isEmpty == true { holders[holder] = nil }
        settle(Pair(key: key, holder: holder))
    }

    private mutating func settle(_ debt: Pair) {
        guard hasDebts else { return }
        debts.recent.remove(debt)
        debts.old.remove(debt)
    }

    private mutating func add(_ amount: Int, _ key: ActorKey, _ holder: NodeID, payer: NodeID) -> Effect {
        guard var hold = holders[holder]?[key] else {
            holders[holder, default: [:]][key] = Hold(count: amount, payer: payer)
            charge(payer, 1, key, holder)
            if amount < 0 { debts.recent.insert(Pair(key: key, holder: holder)) }
            return amount > 0 ? .held : .none
        }
        let before = hold.count
        let (sum, overflow) = before.addingReportingOverflow(amount)
        hold.count = overflow ? before : sum
        if hold.count == 0 {
            remove(key, holder, hold)
        } else {
            if before > 0, hold.count < 0 { debts.recent.insert(Pair(key: key, holder: holder)) }
            holders[holder]?[key] = hold
            if amount < 0 { claim(key, by: holder) }
        }
        return switch (before > 0, hold.count > 0) {
        case (false, true): .held
        case (true, false): .freed
        default: .none
        }
    }

    /// - Parameter amount: 1 when the payer begins to pay for the entry, -1 when it ends.
    private mutating func charge(_ payer: NodeID, _ amount: Int, _ key: ActorKey, _ holder: NodeID) {
        let sum = charged(to: payer) + amount
        charges[payer] = sum == 0 ? nil : sum
        guard payer != holder else { return }
        unclaimed += amount
        // Of those who have gone nobody will ask.
        guard payer != Self.nobody else { return }
        let gift = Pair(key: key, holder: holder)
        if amount > 0 { gifts[payer, default: []].insert(gift) } else { gifts[payer]?.remove(gift) }
        if gifts[payer]?.isEmpty == true { gifts[payer] = nil }
    }
}
