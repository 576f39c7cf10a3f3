/// Runs work for each of some things, a few at a time; the first error cancels the others.
///
/// - Parameter width: how many at once.
func forEachBounded<Element: Sendable>(
    _ elements: some Sequence<Element>, width: Int, _ body: @escaping @Sendable (Element) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        var underWay = 0
        for element in elements {
            if underWay == width {
                try await group.next()
                underWay -= 1
            }
            group.addTask { try await body(element) }
            underWay += 1
        }
        try await group.waitForAll()
    }
}
