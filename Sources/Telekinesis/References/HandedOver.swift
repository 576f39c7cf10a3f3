internal import Distributed

/// What stays where it is when it is an argument or a result: a reference to it travels. So do distributed actors.
protocol HandedOver {}

extension RemoteFunction: HandedOver {}
extension RemoteStream: HandedOver {}
extension RemoteState: HandedOver {}

/// Whether values of a type are handed over by reference. Of what holds such values the type does not tell.
func isHandedOver(_ type: any Any.Type) -> Bool { type is any HandedOver.Type || type is any DistributedActor.Type }
