"""What servers say of their replication."""

from typing import Any

import redis

from tests.redis_kinds.server import Server, until

_PAUSE_MS = 20_000  # longer than a replica may take to say what it has: it says so every second

PROMPT = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
"""For servers of which nothing is expected but that they follow soon: a replica that is new is fed at once, and what it
has heard is known within a second, also when there is nothing to hear.
"""


class Replication:
    """As the server on this port sees it now."""

    def __init__(self, port: int) -> None:
        with redis.Redis(port=port) as client:
            self._info: dict[str, Any] = client.info("replication")

    @property
    def is_master(self) -> bool:
        return bool(self._info["role"] == "master")

    def follows(self, *masters: int) -> bool:
        """Whether it is a replica of one of these, and has all that this one had when it came."""
        return self._info.get("master_link_status") == "up" and self._info["master_port"] in masters

    def feeds(self, count: int) -> bool:
        """Whether so many replicas get every write at once.

        A new one counts as connected before it does: the master waits until it has heard from it, up to a second.
        """
        replicas = [self._info[f"slave{number}"] for number in range(self._info["connected_slaves"])]
        return len(replicas) == count and all(each["state"] == "online" and each["offset"] > 0 for each in replicas)

    @property
    def is_passed_on(self) -> bool:
        """Whether the replicas have said that they have all that this master has."""
        offset = self._info["master_repl_offset"]
        return all(self._info[f"slave{n}"]["offset"] >= offset for n in range(self._info["connected_slaves"]))


def kill_passed_on(master: Server) -> None:
    """Kill a master when its replicas have all that it has answered to.

    A client is answered before the replicas are told. What a master has not passed on when it dies Redis loses, and
    no client can make that good; what it has not answered to has to be.
    """
    port = int(master.url.rpartition(":")[2])
    with redis.Redis(port=port) as client:
        client.execute_command("CLIENT", "PAUSE", _PAUSE_MS, "WRITE")
    until(lambda: Replication(port).is_passed_on, "the replicas have all that was answered")
    master.kill()
