"""Where a Redis is and how it is entered: what its URL says, checked in one place."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Kind = Literal["standalone", "sentinel", "cluster"]
Host = tuple[str, int]

FORMS = (
    "redis://[user:password@]host[:6379][/db], unix:///path, redis+sentinel://[user:password@]host,host/service or "
    "redis+cluster://[user:password@]host,host; rediss… for TLS"
)

_SCHEME = re.compile(r"(redis|rediss)(?:\+(sentinel|cluster))?|unix")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_PORTS: dict[Kind, int] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}

_LOGIN = ("username", "password")
_SENTINEL_LOGIN = ("sentinel_username", "sentinel_password")
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")


class AddressError(ValueError):
    """A URL that leads to no Redis. The message repeats nothing of it: what is misplaced may be a password."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """``hosts`` are where to begin: servers, or the sentinels that know the primary of ``service``.

    ``login`` is what each server asks for, ``sentinel_login`` what each sentinel does, ``tls`` the options of a
    connection under TLS, or None without it: all three as redis-py names them.
    """

    kind: Kind
    hosts: tuple[Host, ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    login: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    sentinel_login: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    tls: dict[str, str] | None = None


def parse_address(url: str) -> Address:
    """Raises AddressError."""
    try:
        split = urlsplit(url)
    except ValueError:
        raise AddressError("this is no URL") from None
    scheme = _SCHEME.fullmatch(split.scheme)
    if scheme is None or split.fragment:
        raise AddressError("another scheme, or a part after #: in a password it is written as %23")
    kind = cast("Kind", scheme[2] or "standalone")
    options = _options(split.query)
    user, hosts = _authority(split, kind)
    path = [unquote(part) for part in split.path.split("/")[1:]]
    found: dict[str, Any] = {
        "kind": kind,
        "login": user | _taken(options, _LOGIN),
        "tls": _tls(options, encrypted=scheme[1] == "rediss"),
    }
    if kind == "sentinel":
        found["sentinel_login"] = {
            name.removeprefix("sentinel_"): value for name, value in _taken(options, _SENTINEL_LOGIN).items()
        }
        found["service"] = path.pop(0) if path else ""
        if not found["service"]:
            raise AddressError("a Sentinel URL names the service: redis+sentinel://host,host/service")
    db = _db([] if split.scheme == "unix" else path, options)
    if options:
        known = ", ".join(("db", *_LOGIN, *_TLS))
        raise AddressError(f"an option is not known; there are {known}, and with Sentinel {', '.join(_SENTINEL_LOGIN)}")
    if kind == "standalone" and len(hosts) > 1:
        raise AddressError("several hosts are for redis+sentinel:// and redis+cluster://")
    if kind == "cluster" and db:
        raise AddressError("a Cluster has only the database 0")
    return Address(hosts=hosts, path=_socket(split) if split.scheme == "unix" else "", db=db, **found)


def _authority(split: SplitResult, kind: Kind) -> tuple[dict[str, str], tuple[Host, ...]]:
    user, _, places = split.netloc.rpartition("@")
    name, _, password = user.partition(":")
    login = {"username": unquote(name), "password": unquote(password)}
    hosts = () if split.scheme == "unix" else tuple(_host(place.strip(), _PORTS[kind]) for place in places.split(","))
    return {key: value for key, value in login.items() if value}, hosts


def _host(text: str, port: int) -> Host:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or port) < 65536:
        raise AddressError("a host is a name or an address, with a port from 1 to 65535 or none: host:6379, [::1]:6379")
    return match["six"] or match["name"], int(match["port"] or port)


def _socket(split: SplitResult) -> str:
    if split.netloc.rpartition("@")[2] or len(split.path) < 2:
        raise AddressError("a socket is named by its absolute path: unix:///run/redis.sock")
    return unquote(split.path)


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise AddressError("an option is there twice")
    return options


def _taken(options: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: options.pop(name) for name in names if name in options}


def _tls(options: dict[str, str], *, encrypted: bool) -> dict[str, str] | None:
    taken = _taken(options, _TLS)
    if not encrypted:
        if taken:
            raise AddressError("options of TLS are for rediss://, rediss+sentinel:// and rediss+cluster://")
        return None
    if taken.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        raise AddressError("ssl_cert_reqs is required, optional or none")
    return taken


def _db(path: list[str], options: dict[str, str]) -> int:
    named = [*(part for part in path if part), *_taken(options, ("db",)).values()]
    if len(named) > 1 or not all(re.fullmatch("[0-9]{1,5}", name) for name in named):
        raise AddressError("a database is one whole number: redis://host/0")
    return int(named[0]) if named else 0
