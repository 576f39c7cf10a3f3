import Distributed
import MethodFixtures

// The same name as a private actor in another file.
private distributed actor Hidden {
    typealias ActorSystem = LoopbackSystem
    distributed func second() {}
}

func otherHiddenType() -> any DistributedActor.Type { Hidden.self }
