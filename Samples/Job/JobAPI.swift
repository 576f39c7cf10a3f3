public import Distributed
public import Telekinesis

/// Paints pictures.
@Resolvable
public protocol Painter: DistributedActor where ActorSystem == Node {
    /// Paints the Mandelbrot set in letters. Takes a tenth of a second for each line, and says how far it is.
    distributed func paint(lines: Int) async throws -> String
}
