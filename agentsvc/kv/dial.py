"""How a connection to Redis is made."""

from typing import Any, cast

from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from agentsvc.kv.address import Address, Host

LOST = (RedisConnectionError, RedisTimeoutError, OSError)
"""What says that a connection is gone."""

_CONNECT_S = 2.0  # a host that has vanished does not refuse, it says nothing
_NO_LIMIT = 1 << 30


def dial(address: Address, host: Host | None) -> Any:
    """Connections to one server; each is made when it is needed, and sends what it is told once."""
    if host is None:
        return _pool(UnixDomainSocketConnection, path=address.path, db=address.db, **address.login)
    return _over_tcp(address, host, db=address.db, **address.login)


def dial_sentinel(address: Address, host: Host) -> Any:
    """Connections to one sentinel."""
    return _over_tcp(address, host, **address.sentinel_login)


def _over_tcp(address: Address, host: Host, **login: Any) -> Any:
    kind, tls = (Connection, {}) if address.tls is None else (SSLConnection, address.tls)
    return _pool(
        kind,
        host=host[0],
        port=host[1],
        socket_connect_timeout=_CONNECT_S,
        socket_keepalive=True,
        **tls,
        **login,
    )


def _pool(kind: Any, **options: Any) -> Any:
    # Without a name of the library a connection begins with AUTH and SELECT alone, which is all that an ACL must allow.
    return cast("Any", ConnectionPool)(
        connection_class=kind,
        max_connections=_NO_LIMIT,
        protocol=2,
        driver_info=None,
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
