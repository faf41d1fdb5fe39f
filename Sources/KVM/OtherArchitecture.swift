import Glibc
import Host

// Machines of both architectures are compiled on every host, since a guest's architecture is a value. What only the
// other architecture's kernel has is there under the same names, and refused: see the files that end in `Absent`.

/// The refusal of a request that the host's architecture does not have.
func absent(_ request: String) -> KVMError { KVMError(request: request, errno: Errno(ENOSYS)) }
