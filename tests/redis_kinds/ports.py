"""Ports that nothing listens on."""

import random
import socket
from contextlib import ExitStack

# Below those that the kernel gives to outgoing connections: one that is let go for a while is still free afterwards.
_RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """So many, all different."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = random.choice(_RANGE)  # noqa: S311 - it guards nothing
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found
