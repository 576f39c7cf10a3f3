// Whoever imports TelekinesisHub can configure it and catch its errors. One by one, as in Telekinesis.
@_exported public import protocol TelekinesisLink.HubEndpoint
@_exported public import struct TelekinesisLink.LinkLimits
@_exported public import struct TelekinesisLink.LogHandler
@_exported public import struct TelekinesisLink.Rate
@_exported public import struct TelekinesisLink.SharedSecret
@_exported public import struct TelekinesisProtocol.Authenticated
@_exported public import protocol TelekinesisProtocol.Authenticator
@_exported public import struct TelekinesisProtocol.Challenge
@_exported public import struct TelekinesisProtocol.OpenAccess
@_exported public import struct TelekinesisProtocol.Principal
@_exported public import struct TelekinesisProtocol.TelekinesisError
