"""Every live key, and how long it lives.

| key | holds | life |
|---|---|---|
| ``{s:<sid>}:run`` | head of a session: owner, agent, fence, seq, lease, status (hash) | dies with the session |
| ``{s:<sid>}:log`` | its events, ids ``<seq>-0`` (stream) | trimmed by whole replies; dies with the session |
| ``{s:<sid>}:replies`` | first seq of each reply in the log (list) | as the log |
| ``{s:<sid>}:inbox`` | what waits for the agent (stream) | an entry goes in the script that journals it |
| ``{s:<sid>}:state``, ``:context`` | what the agent remembers (string, list) | dies with the session |
| ``{s:<sid>}:messages``, ``:order`` | the transcript: id → message (hash), order (sorted set) | with the session |
| ``{s:<sid>}:accepted`` | id of an accepted message → its run (hash) | dies with the session |
| ``{s:<sid>}:runs`` | names of its runs by the time they were asked for (sorted set, ms) | as these |
| ``{s:<sid>}:run:<name>`` | one run (hash) | an ended one as long as is set; dies with the session |
| ``{q:<n>}:runs`` | run requests (stream + consumer group) | an entry goes when its run has ended |
| ``{q:<n>}:ready:<owner>`` | entries of an owner that nobody has claimed (list of ids) | empty when all are claimed |
| ``{q:<n>}:active:<owner>`` | all his entries (set of ids) | empty when all his runs have ended |
| ``{q:<n>}:held:<owner>`` | his run requests that wait outside the stream (list) | empty when all have come in |
| ``{q:<n>}:held`` | how many wait outside (number) | gone at 0 |
| ``{q:<n>}:accepting`` | sessions that may hold a message nobody was told of (sorted set, ms) | the janitor clears |
| ``{q:<n>}:removing`` | sessions and agents whose removal has begun (sorted set, ms) | cleared when it is done |
| ``{q:<n>}:expiring`` | until when approvals wait (sorted set, ms) | an entry goes when it is answered or due |
| ``{q:<n>}:sweeping`` | who removes sessions that nobody uses (name of a worker) | a time after its last step |
| ``{w:<worker>}:presence`` | a process that carries out runs (hash) | some lease times after its last word |
| ``{w:<worker>}:probe`` | what a health check writes (string) | seconds |

Channels: ``{s:<sid>}`` carries the appended events, ``{w:<worker>}`` tells a worker to stop a run or to drain.
Both may lose messages: the log, the head and the presence repair it.
"""

import zlib
from functools import lru_cache
from urllib.parse import quote

GROUP = "workers"

SWEEPING = "{q:0}:sweeping"

# What SCAN finds the heads of all sessions with.
EVERY_HEAD = "{s:*}:run"


class SessionKeys:
    """The keys of one session; they share a slot."""

    __slots__ = (
        "accepted",
        "channel",
        "context",
        "head",
        "inbox",
        "log",
        "messages",
        "order",
        "replies",
        "run",
        "runs",
        "state",
    )

    def __init__(self, session_id: str) -> None:
        tag = "{s:" + quote(session_id, safe="") + "}"
        self.channel = tag
        self.head = tag + ":run"
        self.log = tag + ":log"
        self.replies = tag + ":replies"
        self.inbox = tag + ":inbox"
        self.state = tag + ":state"
        self.context = tag + ":context"
        self.messages = tag + ":messages"
        self.order = tag + ":order"
        self.accepted = tag + ":accepted"
        self.runs = tag + ":runs"
        self.run = tag + ":run:"


_LONGEST_ID = 64  # what is longer is no id of ours, and may be as long as a request
_remembered = lru_cache(maxsize=8192)(SessionKeys)


def of_session(session_id: str) -> SessionKeys:
    """The keys of a session: made once, since every write needs them."""
    return _remembered(session_id) if len(session_id) <= _LONGEST_ID else SessionKeys(session_id)


def shard_of(session_id: str, shards: int) -> int:
    """The queue that a session's run requests go to."""
    return zlib.crc32(session_id.encode()) % shards


def runs(shard: int) -> str:
    return f"{{q:{shard}}}:runs"


def window(shard: int, owner: str) -> tuple[str, ...]:
    """What ``window.lua`` works on: a queue, and what one owner has in it."""
    tag, name = f"{{q:{shard}}}", quote(owner, safe="", errors="surrogatepass")
    return (runs(shard), f"{tag}:held", f"{tag}:ready:{name}", f"{tag}:active:{name}", f"{tag}:held:{name}")


def held(shard: int, owner: str) -> str:
    return window(shard, owner)[-1]


def accepting(shard: int) -> str:
    return f"{{q:{shard}}}:accepting"


def removing(shard: int) -> str:
    return f"{{q:{shard}}}:removing"


def expiring(shard: int) -> str:
    return f"{{q:{shard}}}:expiring"


def worker_channel(worker: str) -> str:
    return "{w:" + worker + "}"


def presence(worker: str) -> str:
    return worker_channel(worker) + ":presence"


def worker_of(presence: bytes) -> str:
    """The worker whose presence has this key."""
    return presence.decode().removeprefix("{w:").removesuffix("}:presence")
