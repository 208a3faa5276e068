"""Which addresses a URL of a user may lead to: public ones, and what the operator allows."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not for everybody, although the library of this Python version may call them global.
_SPECIAL = (
    ipaddress.ip_network("168.63.129.16/32"),  # the host below a machine at Azure
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments (RFC 6890), used by Oracle for metadata
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
    ipaddress.ip_network("2001::/23"),  # protocol assignments (RFC 2928), Teredo among them
    ipaddress.ip_network("64:ff9b:1::/48"),  # local translation (RFC 8215)
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """The URL leads to an address that it may not reach."""


class AddressGuard:
    """Decides about the address that is really connected to, so that a name which resolves anew gains nothing.

    ``allow`` names hosts, whatever they resolve to, and addresses or CIDRs, whatever they are called.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in allow:
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(_name(entry))

    def permits(self, host: str, address: str) -> bool:
        """Whether ``host``, which is or resolves to ``address``, may be connected to. What is no address may not."""
        parsed = parse(address)
        if parsed is None:
            return False
        return _name(host) in self._hosts or any(parsed in network for network in self._networks) or is_public(parsed)

    def check_literal(self, host: str) -> None:
        """Raise ``AddressRefused`` when the host of a URL is an address that it may not reach. Names pass."""
        if looks_literal(host) and not self.permits(host, host):
            raise AddressRefused(refusal(host))


def refusal(host: str) -> str:
    return f"{host} is not a public address; an operator can allow it with AGENTSVC_ALLOW_PRIVATE"


def parse(text: str) -> Address | None:
    """The address, with an IPv4 address that is wrapped in an IPv6 one taken out."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return address if isinstance(address, ipaddress.IPv4Address) else _unwrapped(address)


def is_public(address: Address) -> bool:
    if any(address in network for network in _SPECIAL):
        return False
    if address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return address.is_global


def looks_literal(host: str) -> bool:
    """Whether the host of a URL is an address or one of the numeric forms that a resolver would take for one.

    The forms with an ``0x`` in them are names here: they go through the resolver, and what it says is looked at.
    """
    return ":" in host or host.replace(".", "").isdigit()


def _unwrapped(address: ipaddress.IPv6Address) -> Address:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _name(host: str) -> str:
    return host.lower().rstrip(".")
