// Whoever imports Telekinesis can declare distributed actors, catch its errors and name what its functions take and return. One by one: what else the
// modules below have, such as Frame or Channel, would be in the way of types of the same names in users' modules.
@_exported public import Distributed
@_exported public import protocol TelekinesisLink.HubEndpoint
@_exported public import struct TelekinesisLink.LinkLimits
@_exported public import struct TelekinesisLink.LogHandler
@_exported public import struct TelekinesisLink.Rate
@_exported public import struct TelekinesisLink.SharedSecret
@_exported public import enum TelekinesisProtocol.Balancing
@_exported public import struct TelekinesisProtocol.Challenge
@_exported public import struct TelekinesisProtocol.ContentDigest
@_exported public import protocol TelekinesisProtocol.Credential
@_exported public import struct TelekinesisProtocol.FieldDescription
@_exported public import struct TelekinesisProtocol.ListedName
@_exported public import struct TelekinesisProtocol.MethodDescription
@_exported public import struct TelekinesisProtocol.NodeID
@_exported public import struct TelekinesisProtocol.OpenAccess
@_exported public import struct TelekinesisProtocol.Principal
@_exported public import struct TelekinesisProtocol.RawCase
@_exported public import struct TelekinesisProtocol.RemoteError
@_exported public import struct TelekinesisProtocol.ServiceDescription
@_exported public import enum TelekinesisProtocol.ServiceKind
@_exported public import struct TelekinesisProtocol.ServiceLoad
@_exported public import struct TelekinesisProtocol.ServiceName
@_exported public import enum TelekinesisProtocol.Sharing
@_exported public import struct TelekinesisProtocol.StoredReference
@_exported public import struct TelekinesisProtocol.TelekinesisError
@_exported public import struct TelekinesisProtocol.TypeDefinition
@_exported public import enum TelekinesisProtocol.TypeDescription
