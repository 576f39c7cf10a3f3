public import Distributed

extension Node {
    /// Gives an object of another node back now, where the end of its last proxy would come late: a task or a collection may keep one.
    ///
    /// The object ends if nobody else holds it, and calls throw `noSuchObject`; whether or not it does, this proxy and those that came with it are not to be
    /// used any more. Nothing happens to objects of this node, and to what was got by name, which holds nothing.
    ///
    /// - Parameter proxy: an instance of a class, or an object that was handed over.
    public func release<Act: DistributedActor>(_ proxy: Act) where Act.ID == ActorID { proxy.id.target.release() }
}
