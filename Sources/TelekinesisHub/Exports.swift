// Whoever imports TelekinesisHub can configure it and catch its errors.
@_exported public import TelekinesisLink
@_exported public import TelekinesisProtocol
