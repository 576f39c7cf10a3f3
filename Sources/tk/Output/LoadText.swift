internal import Telekinesis

extension ServiceLoad {
    /// What there is to do, in a few words; empty when that is nothing and there is no limit.
    var text: String {
        var parts: [String] = []
        if let places {
            parts.append("\(calls) of \(places) call\(places == 1 ? "" : "s")")
        } else if calls > 0 {
            parts.append(calls.counted("call"))
        }
        if waiting > 0 { parts.append("\(waiting) waiting") }
        if reservations > 0 { parts.append("\(reservations) reserved") }
        if balancing == .roundRobin { parts.append("in turn") }
        return parts.joined(separator: ", ")
    }
}

extension ListedName {
    /// How many serve the name.
    var providersText: String { providers.counted("provider") }
}

extension Int {
    fileprivate func counted(_ thing: String) -> String { "\(self) \(thing)\(self == 1 ? "" : "s")" }
}
