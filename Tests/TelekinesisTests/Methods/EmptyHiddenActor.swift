import Distributed
import MethodFixtures

// A third private actor of this name; it has no methods, and must not get another's.
private distributed actor Hidden {
    typealias ActorSystem = LoopbackSystem
}

func emptyHiddenType() -> any DistributedActor.Type { Hidden.self }
