"""What servers say of their replication."""

from typing import Any

import redis

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
