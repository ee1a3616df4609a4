"""Redis' errors in our words; never a command or an argument of it, which may hold a payload or a password."""

from __future__ import annotations

from redis import exceptions as theirs

from ray_pipeline.errors import OnlineStoreDeniedError, OnlineStoreUnavailableError, RayPipelineError

_MARKS = (  # first match in the beginning of the server's answer
    ("OOM", True, "its memory is full (maxmemory); give it more, or drop views that nobody reads"),
    ("LOADING", True, "it is still loading its data; try again"),
    ("BUSY", True, "a script of somebody else blocks it; try again"),
    ("MASTERDOWN", True, "its master is away; try again"),
    ("CLUSTERDOWN", True, "its cluster is not complete; try again"),
    ("READONLY", True, "it is a replica and takes no writes; is a failover under way?"),
    ("MISCONF", True, "it cannot save its data to disk and takes no writes; look into its log"),
    ("NOREPLICAS", True, "it has too few replicas and takes no writes"),
    ("TRYAGAIN", True, "its cluster moves these keys now; try again"),
    ("MOVED", False, "it is one node of a cluster; give the address of a single server or of a proxy"),
    ("CROSSSLOT", False, "it is one node of a cluster; give the address of a single server or of a proxy"),
    ("NOAUTH", False, "it asks for a password; write one into connection_string"),
    ("WRONGPASS", False, "it refused the user name or the password"),
    ("NOPERM", False, "its user may not run this command or touch these keys"),
    ("WRONGTYPE", False, "a key of ours holds something else; who else writes there?"),
)


def translate(error: theirs.RedisError, store: str, operation: str) -> RayPipelineError:
    """Return our error for one of theirs."""
    if isinstance(error, theirs.TimeoutError):
        return OnlineStoreUnavailableError(store, operation, "it did not answer in time")
    if isinstance(error, theirs.AuthenticationError | theirs.AuthorizationError):
        return OnlineStoreDeniedError(store, operation, "it refused the user name or the password")
    if isinstance(error, theirs.OutOfMemoryError):
        return OnlineStoreUnavailableError(store, operation, _MARKS[0][2])
    if isinstance(error, theirs.NoPermissionError):
        return OnlineStoreDeniedError(store, operation, "its user may not run this command or touch these keys")
    if isinstance(error, theirs.BusyLoadingError):
        return OnlineStoreUnavailableError(store, operation, _MARKS[1][2])
    if isinstance(error, theirs.ReadOnlyError):
        return OnlineStoreUnavailableError(store, operation, _MARKS[5][2])
    if isinstance(error, theirs.ConnectionError):
        return OnlineStoreUnavailableError(store, operation, "it cannot be reached; check that it runs")
    said = str(error)
    for mark, retryable, reason in _MARKS:
        if said.startswith(mark) or f"-{mark} " in said:  # the second: Redis 6, out of a script
            return (OnlineStoreUnavailableError if retryable else OnlineStoreDeniedError)(store, operation, reason)
    return OnlineStoreDeniedError(store, operation, f"it answered with {type(error).__name__}")
