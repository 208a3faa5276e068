"""Every key has an owner or a lifetime: what a test may leave in Redis."""

from collections.abc import Set as AbstractSet

import redis

from agentsvc.bus import keys
from agentsvc.doctor.shapes import named

# What is there only as long as there are run requests.
_OF_REQUESTS = {
    "{q:<n>}:held",
    "{q:<n>}:ready:<owner>",
    "{q:<n>}:active:<owner>",
    "{q:<n>}:held:<owner>",
}


def leaked(client: redis.Redis) -> list[bytes]:
    """The keys with neither an owner nor a lifetime, in order."""
    there = set(client.scan_iter(count=1000))
    return sorted(key for key in there if not _owned(client, key, there) and client.ttl(key) == -1)


def _owned(client: redis.Redis, key: bytes, there: AbstractSet[bytes]) -> bool:
    known = named(key)
    if known is None:
        return False
    match known.shape.life:
        case "shared":
            return known.shape.name not in _OF_REQUESTS or bool(client.xlen(keys.runs(int(known.places["n"]))))
        case "owner":
            return True
        case "session":  # its head says that it is alive
            return keys.of_session(known.places["sid"]).head.encode() in there
        case "expires":
            return False
