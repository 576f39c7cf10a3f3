// Whoever imports Telekinesis can declare distributed actors, catch its errors and name what its functions take and return.
@_exported public import Distributed
@_exported public import TelekinesisLink
@_exported public import TelekinesisProtocol
